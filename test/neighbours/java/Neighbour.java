import static java.time.format.DateTimeFormatter.ISO_OFFSET_DATE_TIME;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.Encoding;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.kafka.CloudEventDeserializer;
import io.cloudevents.kafka.CloudEventSerializer;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * The official Java SDK on Kafka: says what it reads in one topic, then writes the events of its standard
 * input into two others, in binary and in structured mode. One partition each, one JSON object a line.
 */
public class Neighbour {
  static final ObjectMapper JSON = new ObjectMapper();
  static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

  public static void main(String[] args) throws Exception {
    String brokers = args[0];
    read(brokers, args[1]);
    write(brokers, Map.of(Encoding.BINARY, args[2], Encoding.STRUCTURED, args[3]));
    OUT.flush();
  }

  static void read(String brokers, String topic) {
    Map<String, Object> config = Map.of("bootstrap.servers", brokers);
    ByteArrayDeserializer bytes = new ByteArrayDeserializer();
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config, bytes, bytes);
        CloudEventDeserializer deserializer = new CloudEventDeserializer()) {
      TopicPartition partition = new TopicPartition(topic, 0);
      consumer.assign(List.of(partition));
      consumer.seekToBeginning(List.of(partition));
      long end = consumer.endOffsets(List.of(partition)).get(partition);
      while (consumer.position(partition) < end) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
          OUT.println(told(record, deserializer));
        }
      }
    }
  }

  /** Record by record, so that one that the SDK refuses does not end the reading. */
  static ObjectNode told(ConsumerRecord<byte[], byte[]> record, CloudEventDeserializer deserializer) {
    ObjectNode line = JSON.createObjectNode();
    if (record.key() != null) line.put("key", new String(record.key(), StandardCharsets.UTF_8));
    try {
      CloudEvent event =
          deserializer.deserialize(record.topic(), record.headers(), record.value());
      ObjectNode attributes = line.putObject("attributes");
      for (String name : event.getAttributeNames()) {
        Object value = event.getAttribute(name);
        if (value != null) attributes.put(name, value.toString());
      }
      for (String name : event.getExtensionNames()) {
        attributes.put(name, event.getExtension(name).toString());
      }
      if (event.getTime() != null) {
        // `toString` leaves out seconds that are zero, against RFC 3339.
        attributes.put("time", ISO_OFFSET_DATE_TIME.format(event.getTime()));
      }
      if (event.getData() != null) line.put("data", event.getData().toBytes());
    } catch (RuntimeException error) {
      line.put("error", error.toString());
    }
    return line;
  }

  static void write(String brokers, Map<Encoding, String> topics) throws Exception {
    List<String> lines;
    try (BufferedReader input =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      lines = input.lines().toList();
    }
    for (Map.Entry<Encoding, String> topic : topics.entrySet()) {
      Map<String, Object> config =
          Map.of(
              "bootstrap.servers", brokers,
              CloudEventSerializer.ENCODING_CONFIG, topic.getKey(),
              CloudEventSerializer.EVENT_FORMAT_CONFIG, JsonFormat.CONTENT_TYPE);
      CloudEventSerializer serializer = new CloudEventSerializer();
      serializer.configure(config, false);
      try (KafkaProducer<String, CloudEvent> producer =
          new KafkaProducer<>(config, new StringSerializer(), serializer)) {
        for (String line : lines) {
          producer.send(new ProducerRecord<>(topic.getValue(), 0, null, event(JSON.readTree(line))));
        }
      }
    }
  }

  static CloudEvent event(JsonNode told) throws Exception {
    CloudEventBuilder builder = CloudEventBuilder.v1();
    for (Map.Entry<String, JsonNode> attribute : told.get("attributes").properties()) {
      String name = attribute.getKey();
      JsonNode value = attribute.getValue();
      switch (name) {
        case "specversion" -> {}
        case "id" -> builder.withId(value.asText());
        case "source" -> builder.withSource(URI.create(value.asText()));
        case "type" -> builder.withType(value.asText());
        case "subject" -> builder.withSubject(value.asText());
        case "time" -> builder.withTime(OffsetDateTime.parse(value.asText()));
        case "dataschema" -> builder.withDataSchema(URI.create(value.asText()));
        case "datacontenttype" -> builder.withDataContentType(value.asText());
        default -> extension(builder, name, value);
      }
    }
    if (told.has("data")) builder.withData(told.get("data").binaryValue());
    return builder.build();
  }

  static void extension(CloudEventBuilder builder, String name, JsonNode value) {
    if (value.isBoolean()) builder.withExtension(name, value.booleanValue());
    else if (value.isInt()) builder.withExtension(name, value.intValue());
    else builder.withExtension(name, value.asText());
  }
}
