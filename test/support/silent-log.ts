import type { Logger } from '../../runtime/contract/log.ts'

/** For what logs on its way while the test looks elsewhere. */
export const SILENT: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => SILENT,
}
