/** `fairlead.dev/crash:1`: says what is wrong and exits with 3. */
console.log("starting");
console.log("reading the configuration");
console.error(process.env.COMPLAINT ?? "fatal: the database at db:5432 does not answer");
process.exitCode = 3;
process.disconnect?.();
