/** Where events go: who handles them, and where replies and dead letters are sent. */

/** Who handles an event, by what it does. */
export type Subscriber =
  /** A function of this build; function names are unique in it. */
  | { kind: 'function'; name: string }
  | HttpSubscriber
  | TransformSubscriber
  /** Replies with the event as it is: what a flow's channel does. */
  | { kind: 'pass' }

export interface HttpSubscriber {
  kind: 'http'
  /** Absolute, `http:` or `https:`, as it was resolved. */
  url: string
  /** How events are sent (Knative's `DeliverySpec.format`). Default `binary`. */
  format?: 'json' | 'binary'
  /** Certificates in PEM that vouch for the server, beside those that the system trusts. */
  caCerts?: string
}

/** JSONata over the whole event as JSON (Knative's EventTransform). */
export interface TransformSubscriber {
  kind: 'transform'
  /** `namespace/name` of the EventTransform. */
  name: string
  expression: string
}

/** Where a reply or a dead letter goes. */
export type Destination =
  | Subscriber
  /** A broker's topic, or the topic of a channel between durable steps. */
  | { kind: 'topic'; topic: string }
  /** A channel of a flow, within this process; `FlowManifest` says which steps read it. */
  | { kind: 'channel'; channel: string }
  /** It is dropped, as the reply of a flow that names no destination. */
  | { kind: 'none' }

/** What people, logs and dead letters call a subscriber: a function's name, a URL, a resource. */
export function subscriberName(subscriber: Subscriber): string {
  switch (subscriber.kind) {
    case 'function':
    case 'transform':
      return subscriber.name
    case 'http':
      return subscriber.url
    case 'pass':
      return 'pass'
  }
}

/** As `subscriberName`, for every destination. */
export function destinationName(destination: Destination): string {
  switch (destination.kind) {
    case 'topic':
      return destination.topic
    case 'channel':
      return destination.channel
    case 'none':
      return 'nowhere'
    default:
      return subscriberName(destination)
  }
}

/** Who takes a trigger's events; of one that only hands them on, where to. */
export function takerName(trigger: { subscriber: Subscriber; reply?: Destination }): string {
  const { subscriber, reply } = trigger
  return subscriber.kind === 'pass' && reply !== undefined
    ? destinationName(reply)
    : subscriberName(subscriber)
}
