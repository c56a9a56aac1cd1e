/** How the list of apps looks. */
import { css } from "lit";

export const appsStyles = css`
  :host { display: flex; flex-direction: column; height: 100%; padding: var(--s4) var(--s6) var(--s4); min-height: 0; }
  header { display: flex; align-items: center; gap: var(--s3); min-height: 36px; }
  .filters { display: flex; flex-wrap: wrap; align-items: center; gap: var(--s2); margin: var(--s3) 0; }
  .words { position: relative; display: flex; align-items: center; flex: 0 1 320px; }
  .words .icon { position: absolute; left: 10px; color: var(--soft); }
  .words kbd { position: absolute; right: 7px; pointer-events: none; }
  .words input { width: 100%; padding-left: 32px; }
  .words input:focus ~ kbd, .words input:not(:placeholder-shown) ~ kbd { display: none; }
  select { width: 148px; }
  select.chosen { border-color: var(--accent); color: var(--accent); }
  .both { display: flex; gap: var(--s4); flex: 1; min-height: 0; }
  .list { flex: 1; min-width: 0; min-height: 0; overflow: hidden; }
  fl-app-detail { flex: 0 0 min(480px, 42vw); min-height: 0; overflow: auto; }
  @media (max-width: 700px) {
    :host { padding: var(--s3) var(--s3) 0; }
    .words { flex: 1 1 100%; }
    .words kbd { display: none; }
    select { flex: 1; width: 0; min-width: 0; font-size: 13px; padding: 0 2px 0 6px; }
    .list { border-radius: var(--radius-l) var(--radius-l) 0 0; border-bottom: 0; }
    .split .list, .aside { display: none; }
    fl-app-detail { flex: 1; }
  }
  @media (min-width: 701px) and (max-width: 1000px) {
    .split .list { display: none; }
    fl-app-detail { flex: 1; }
  }
`;
