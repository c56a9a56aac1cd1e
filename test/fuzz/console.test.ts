import { sharesOf } from "./shares.ts";

sharesOf({ console: 8_000 });
