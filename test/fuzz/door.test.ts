import { sharesOf } from "./shares.ts";

sharesOf({ stranger: 10_000, guest: 10_000 });
