/** What the load calls itself, so that what it asks is not counted. */
export const loadClient = "fairlead-bench";
