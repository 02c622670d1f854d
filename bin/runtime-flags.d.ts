export declare const RUNTIME_FLAGS: readonly string[]
export declare const RUNTIME_COMMANDS: readonly string[]
