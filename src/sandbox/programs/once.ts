/** `fairlead.dev/once:1`: does its work, says so, and is done. */
const args = process.argv.slice(2);
console.log(args.length > 0 ? args.join(" ") : "working");
console.log("done");
process.disconnect?.();
