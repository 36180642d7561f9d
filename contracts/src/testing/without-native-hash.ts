/** Takes the runtime's own hash away before anything is loaded, as it is in a browser. For tests only. */
Object.defineProperty(process, 'getBuiltinModule', { value: undefined });
