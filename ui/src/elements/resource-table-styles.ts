/** How a table looks, as lines and as cards. */
import { css } from "lit";

export const tableStyles = css`
  :host { display: block; min-height: 0; height: 100%; }
  .scroller { height: 100%; overflow: auto; overscroll-behavior: contain; }
  table { width: 100%; table-layout: fixed; border-collapse: separate; border-spacing: 0; }
  th { position: sticky; top: 0; z-index: 1; height: var(--row); padding: 0 var(--s3); text-align: left; font-size: var(--text-s); font-weight: 500; color: var(--soft); background: var(--sheet); border-bottom: 1px solid var(--line); white-space: nowrap; }
  th button { display: inline-flex; align-items: center; gap: 4px; height: 28px; margin: 0 -6px; padding: 0 6px; font: inherit; color: inherit; background: none; border: 0; border-radius: 4px; cursor: pointer; }
  th button:hover, th[aria-sort="ascending"] button, th[aria-sort="descending"] button { color: var(--ink); }
  th .icon { width: 12px; height: 12px; }
  tbody tr { cursor: pointer; }
  tbody tr:hover { background: var(--hover); }
  tbody tr[aria-selected="true"] { background: var(--chosen); }
  tr:focus-visible { outline-offset: -2px; }
  td { height: var(--row); padding: 0 var(--s3); border-bottom: 1px solid var(--line); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  td:first-child, th:first-child { padding-left: var(--s4); }
  tr.space { cursor: default; background: none; }
  .cards, .cards tbody { display: block; }
  .cards thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .cards tr { display: grid; grid-template-columns: minmax(0, 1fr) auto; align-content: center; gap: 2px var(--s2); height: 64px; padding: 0 var(--s4); border-bottom: 1px solid var(--line); }
  .cards td { display: block; height: auto; padding: 0 !important; border: 0; }
  .cards td.title { grid-column: 1; grid-row: 1; }
  .cards td.side { grid-column: 2; grid-row: 1; }
  .cards td.line { grid-column: 1 / -1; grid-row: 2; color: var(--soft); font-size: var(--text-s); }
  .strong { font-weight: 500; }
  .soft { color: var(--soft); }
  .cause { color: var(--soft); }
`;
