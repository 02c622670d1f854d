"""The official SDK behind Flask, as the guide's services use it: says what it reads, sends what it is told."""

import base64
import os
import sys
import threading

from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent, from_http
from flask import Flask, Response, jsonify, request
from werkzeug.serving import WSGIRequestHandler, make_server

app = Flask(__name__)


@app.post("/read")
def read():
    """What `from_http` makes of a delivery: `text` of a str, `base64` of bytes."""
    event = from_http(request.headers, request.get_data(), lambda data: data)
    data = event.get_data()
    told = {"attributes": {name: event[name] for name in event}}
    if isinstance(data, bytes):
        told["base64"] = base64.b64encode(data).decode("ascii")
    elif data is not None:
        told["text"] = data
    return jsonify(told)


@app.post("/read-as-the-guide")
def read_as_the_guide():
    """Without an unmarshaller of one's own, as the guide's consumer calls it."""
    event = from_http(request.headers, request.get_data())
    return jsonify({"type": event["type"], "data": event.get_data()})


@app.post("/write/<mode>")
def write(mode):
    """Answers with an event that the SDK wrote."""
    told = request.get_json()
    data = told.get("value")
    if "base64" in told:
        data = base64.b64decode(told["base64"])
    event = CloudEvent(told["attributes"], data)
    if mode == "binary":
        headers, body = to_binary(event, data_marshaller=lambda raw: raw)
    else:
        headers, body = to_structured(event)
    return Response(body or b"", headers=list(headers.items()))


class Quiet(WSGIRequestHandler):
    # Connections are kept, as between a runtime and its subscribers.
    protocol_version = "HTTP/1.1"

    def log_request(self, *_):
        pass


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    print(server.server_port, flush=True)
    server.serve_forever()
