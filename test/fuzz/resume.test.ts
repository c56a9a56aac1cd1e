import { sharesOf } from "./shares.ts";

sharesOf({ "resume-high": 10_000, "resume-low": 10_000 });
