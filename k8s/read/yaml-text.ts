import { stringify } from 'yaml'

/** For people: what stands in it twice is written twice. */
export function yamlText(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false }).trimEnd()
}
