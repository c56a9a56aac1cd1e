/** Behind the dot: this browser's connection to the agent, who the agent is, and how its parts are. */
import { css, html, LitElement, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Component, GetInfoResponse } from "../../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import "../elements/age.ts";
import "../elements/dialog.ts";
import { sheet } from "../elements/sheet.ts";
import "../elements/status-pill.ts";
import type { Connection } from "../model/connection.ts";

@customElement("fl-agent-sheet")
export class AgentSheet extends LitElement {
  static override styles = [
    sheet,
    css`
      section + section { margin-top: var(--s6); }
      h3 { font-size: var(--text-s); font-weight: 500; color: var(--soft); margin-bottom: var(--s2); }
      dl { display: grid; grid-template-columns: 120px minmax(0, 1fr); gap: 6px var(--s3); }
      dt { color: var(--soft); }
      dd { overflow-wrap: anywhere; }
      .head { display: flex; align-items: center; gap: var(--s3); }
      li { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 0 var(--s3); padding: 5px 0; align-items: baseline; }
    `,
  ];

  @property({ type: Boolean }) accessor open = false;
  @property({ attribute: false }) accessor connection: Connection = { tone: "unknown", word: "", since: "", text: "" };
  @property({ attribute: false }) accessor info: GetInfoResponse | undefined = undefined;
  /** None for who may not know of them. */
  @property({ attribute: false }) accessor parts: readonly Component[] = [];
  @property({ attribute: false }) accessor now: { get(): number } | undefined = undefined;

  override render() {
    const { tone, word, since, text } = this.connection;
    return html`<fl-dialog heading="This agent" ?open=${this.open} @close=${() => this.dispatchEvent(new Event("close"))}>
      <section>
        <h3>This page's connection</h3>
        <p class="head"><fl-status tone=${tone} word=${word}></fl-status>${since === "" ? nothing : html`<span>for <fl-age .at=${since} .now=${this.now}></fl-age></span>`}</p>
        <p class="soft">${text}</p>
      </section>
      ${this.info ? this.#about(this.info) : nothing}
      <section>
        <h3>Its parts</h3>
        ${
          this.parts.length === 0
            ? html`<p class="soft">Who has the role viewer for all peers sees how they are.</p>`
            : html`<ul>${this.parts.map(
                ({ name, ok, problem }) =>
                  html`<li><fl-status tone=${ok ? "ok" : "failed"} word=${ok ? "Well" : "Not well"}></fl-status><span>${name}${problem === "" ? nothing : html` <span class="soft">${problem}</span>`}</span></li>`,
              )}</ul>`
        }
      </section>
    </fl-dialog>`;
  }

  #about({ name, version, startedAt, kubernetesVersion, namespace, fingerprint }: GetInfoResponse) {
    return html`<section>
      <h3>Agent</h3>
      <dl>
        <dt>Name</dt><dd>${name}</dd>
        <dt>Version</dt><dd>${version}</dd>
        <dt>Runs for</dt><dd><fl-age .at=${startedAt} .now=${this.now}></fl-age></dd>
        <dt>Kubernetes</dt><dd>${kubernetesVersion === "" ? "none: it stands alone" : `${kubernetesVersion}, namespace ${namespace}`}</dd>
        <dt>Fingerprint</dt><dd><code>${fingerprint}</code></dd>
      </dl>
    </section>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "fl-agent-sheet": AgentSheet;
  }
}
