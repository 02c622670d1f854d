/** Kubernetes resources as they were written, each knowing where it stands, and what is wrong with them. */

export interface Resource {
  apiVersion: string
  kind: string
  namespace: string
  name: string
  /** The whole object. */
  body: Record<string, unknown>
  /** Where a field stands, for messages: `event-triggers.yaml:12`, or the resource's name in a cluster. */
  place(path: ReadonlyArray<string | number>): string
}

export interface Finding {
  /** `error`: nothing of the input is put to use. `note`: it runs, and differs from what Knative would do. */
  severity: 'error' | 'note'
  /** As `Resource.place` says. */
  place: string
  /** Dotted path of the field, such as `spec.subscriber.ref.name`; empty for a whole document. */
  field: string
  /** What is wrong and what was expected, in one line. */
  message: string
}

/** `file:line: field: message`, the one line that people read. */
export function findingLine({ place, field, message }: Finding): string {
  return field === '' ? `${place}: ${message}` : `${place}: ${field}: ${message}`
}
