/**
 * What a function file declares in `export const metadata`. One schema: it gives the author's type, the
 * builder's check and the reference page.
 */
import { Type, type Static } from 'typebox'

/** ISO 8601 duration such as `PT1S` or `PT0.2S`; checked by `parseDuration`. */
const Duration = Type.String({
  pattern: '^P',
  description: 'ISO 8601 duration, for example `PT1S`',
})

const AttributeMap = Type.Record(Type.String(), Type.String(), {
  description: 'Attribute name to text; several entries are ANDed',
})

const PresenceMap = Type.Record(Type.String(), Type.Boolean(), {
  description: 'Attribute name to whether it must be there; several entries are ANDed',
})

const Scalar = Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()])
const Comparable = Type.Union([Type.String(), Type.Number()])

/** A condition on one value of the data; several members are ANDed. */
export const DataCondition = Type.Object(
  {
    equals: Type.Optional(Scalar),
    prefix: Type.Optional(Type.String()),
    suffix: Type.Optional(Type.String()),
    in: Type.Optional(Type.Array(Scalar, { minItems: 1 })),
    gt: Type.Optional(Comparable),
    gte: Type.Optional(Comparable),
    lt: Type.Optional(Comparable),
    lte: Type.Optional(Comparable),
    exists: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false, minProperties: 1 },
)
export type DataCondition = Static<typeof DataCondition>

/**
 * One filter: exactly one dialect. `exists` maps an attribute to whether it must be there, whatever its
 * value. `data` maps a dotted path of the JSON data (`customer.tier`, `items.0.sku`) to a condition.
 * `cesql` is an expression of the CloudEvents SQL Expression Language 1.0.0.
 */
export type Filter =
  | { exact: Record<string, string> }
  | { prefix: Record<string, string> }
  | { suffix: Record<string, string> }
  | { exists: Record<string, boolean> }
  | { all: Filter[] }
  | { any: Filter[] }
  | { not: Filter }
  | { data: Record<string, DataCondition> }
  | { cesql: string }

export const Filter = Type.Cyclic(
  {
    Filter: Type.Union([
      Type.Object({ exact: AttributeMap }, { additionalProperties: false }),
      Type.Object({ prefix: AttributeMap }, { additionalProperties: false }),
      Type.Object({ suffix: AttributeMap }, { additionalProperties: false }),
      Type.Object({ exists: PresenceMap }, { additionalProperties: false }),
      Type.Object({ all: Type.Array(Type.Ref('Filter')) }, { additionalProperties: false }),
      Type.Object({ any: Type.Array(Type.Ref('Filter')) }, { additionalProperties: false }),
      Type.Object({ not: Type.Ref('Filter') }, { additionalProperties: false }),
      Type.Object(
        { data: Type.Record(Type.String(), DataCondition) },
        { additionalProperties: false },
      ),
      Type.Object({ cesql: Type.String() }, { additionalProperties: false }),
    ]),
  },
  'Filter',
)

/**
 * Reads `filter` and `filters` as Knative's Kafka broker does: what is empty lets every event pass, several
 * dialects in one object are ANDed, a CESQL value is cast to a Boolean, and AND, OR and XOR go from right to
 * left. Default: none of that; such
 * filters are refused (`FN_FILTER_INVALID`), because they never are what was meant.
 */
export const FilterCompat = Type.Literal('knative-kafka')

/** Stops calling a subscriber that only fails; one probe finds out when it is well again. */
export const Breaker = Type.Object(
  {
    failures: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
    pause: Duration,
  },
  { additionalProperties: false },
)

/** Events that were seen before, by source and id, end as `deduplicated`. */
export const Dedupe = Type.Object(
  {
    window: Duration,
    max: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, default: 100_000 })),
  },
  { additionalProperties: false },
)

export const Delivery = Type.Object(
  {
    retry: Type.Optional(
      Type.Integer({ minimum: 0, default: 5, description: 'Retries after the first attempt' }),
    ),
    backoffPolicy: Type.Optional(
      Type.Union([Type.Literal('linear'), Type.Literal('exponential')], { default: 'exponential' }),
    ),
    backoffDelay: Type.Optional(Duration),
    backoffMax: Type.Optional(Duration),
    jitter: Type.Optional(Type.Number({ minimum: 0, maximum: 1, default: 0 })),
    retryAfterMax: Type.Optional(Duration),
    maxAge: Type.Optional(Duration),
    retryOn: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
    timeout: Type.Optional(Duration),
    compat: Type.Optional(
      Type.Union(
        [Type.Literal('knative-kafka'), Type.Literal('knative-core'), Type.Literal('spec')],
        { default: 'knative-kafka' },
      ),
    ),
    breaker: Type.Optional(Breaker),
    onDeadLetter: Type.Optional(
      Type.Union([Type.Literal('continue'), Type.Literal('park')], { default: 'continue' }),
    ),
    exactlyOnce: Type.Optional(Type.Boolean({ default: false })),
  },
  { additionalProperties: false },
)
export type Delivery = Static<typeof Delivery>

export const StartFrom = Type.Union([Type.Literal('latest'), Type.Literal('earliest')], {
  default: 'latest',
  description: 'Where a new trigger starts in an existing log',
})

export const TriggerMetadata = Type.Object(
  {
    name: Type.Optional(Type.String({ description: "Default: the function's name" })),
    broker: Type.String({ description: '`namespace/name`' }),
    filter: Type.Optional(
      Type.Object(
        { attributes: Type.Optional(AttributeMap) },
        {
          additionalProperties: false,
          description: "Knative's first form; `filters` wins over it",
        },
      ),
    ),
    filters: Type.Optional(Type.Unsafe<Filter[]>(Type.Array(Filter))),
    filterCompat: Type.Optional(FilterCompat),
    startFrom: Type.Optional(StartFrom),
    dedupe: Type.Optional(Dedupe),
  },
  { additionalProperties: false },
)
export type TriggerMetadata = Static<typeof TriggerMetadata>

export const FunctionMetadata = Type.Object(
  {
    triggers: Type.Optional(Type.Array(TriggerMetadata)),
    ordering: Type.Optional(
      Type.Union([Type.Literal('key'), Type.Literal('partition'), Type.Literal('none')], {
        default: 'key',
      }),
    ),
    concurrency: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024, default: 64 })),
    batch: Type.Optional(
      Type.Object(
        { max: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, default: 64 })) },
        { additionalProperties: false },
      ),
    ),
    delivery: Type.Optional(Delivery),
    limits: Type.Optional(
      Type.Object(
        {
          memoryMiB: Type.Optional(Type.Integer({ minimum: 16, maximum: 2048, default: 64 })),
          cpuMs: Type.Optional(Type.Integer({ minimum: 10, maximum: 60_000, default: 100 })),
        },
        { additionalProperties: false },
      ),
    ),
    schemas: Type.Optional(
      Type.Record(Type.String(), Type.Unsafe<Record<string, unknown>>({ type: 'object' }), {
        description: 'Event type to the JSON Schema of its data',
      }),
    ),
    description: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
)
export type FunctionMetadata = Static<typeof FunctionMetadata>
