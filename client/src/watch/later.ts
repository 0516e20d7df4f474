// What only some watches need, in one file that is loaded with the first of these.

export { hubOf } from "../tabs/hubs.ts";
export { readEventSource } from "./event-source.ts";
export { ProjectTarget } from "./project-target.ts";
