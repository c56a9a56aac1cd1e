/** What every page is: it is given the state, draws anew when what it has read of it changes, and adds its commands and keys while it is there. */
import { SignalWatcher } from "@lit-labs/signals";
import { LitElement } from "lit";
import { property } from "lit/decorators.js";
import type { Command, KeyBinding } from "../model/command.ts";
import type { ConsoleState } from "../state/console-state.ts";

export abstract class Page extends SignalWatcher(LitElement) {
  @property({ attribute: false }) accessor state!: ConsoleState;
  #leave: (() => void)[] = [];

  /** What the palette offers here, besides. */
  protected commands(): readonly Command[] {
    return [];
  }

  /** Which keys do something here. */
  protected keys(): readonly KeyBinding[] {
    return [];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#leave = [this.state.commands.add(() => this.commands()), this.state.keys.add(() => this.keys())];
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const leave of this.#leave.splice(0)) leave();
  }
}
