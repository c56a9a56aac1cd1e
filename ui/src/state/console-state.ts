/** All that the console knows and can do, put together. Pages are given it; elements and dialogs are given what they show. */
import { Signal } from "signal-polyfill";
import type { Clock } from "../../../src/base/clock.ts";
import type { GetInfoResponse } from "../../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import type { App } from "../../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { type AppRow, toAppRow } from "../model/app-row.ts";
import type { Command, KeyBinding } from "../model/command.ts";
import { type Notice, pressing, toNotice } from "../model/notices.ts";
import { Actions } from "./actions.ts";
import { Address, type AddressBar } from "./address.ts";
import { Api } from "./api.ts";
import { Live } from "./live.ts";
import { announceNews } from "./news.ts";
import { Registry } from "./registry.ts";
import { Session } from "./session.ts";
import { applyTheme, keepTheme, nextTheme, readTheme, type Theme } from "./theme.ts";
import { createTicker, type Ticker } from "./ticker.ts";
import { Toasts } from "./toasts.ts";

export interface ConsoleStateDeps {
  readonly window: AddressBar & {
    readonly localStorage: Pick<Storage, "getItem" | "setItem">;
    readonly document: { readonly documentElement: HTMLElement };
  };
  readonly clock: Clock;
  /** Calls once before the next frame is painted. */
  onFrame(show: () => void): void;
}

export class ConsoleState {
  readonly address: Address;
  readonly toasts: Toasts;
  readonly ticker: Ticker;
  readonly live: Live;
  readonly session: Session;
  readonly actions: Actions;
  readonly commands = new Registry<Command>();
  readonly keys = new Registry<KeyBinding>();
  /** All apps as lines of a list. */
  readonly appRows: Signal.Computed<readonly AppRow[]>;
  /** All that is told of, seen or not. */
  readonly notices: Signal.Computed<readonly Notice[]>;
  readonly pressing: Signal.Computed<readonly Notice[]>;
  /** Of what is pressing, what this person has not seen. */
  readonly unread: Signal.Computed<number>;
  readonly #info = new Signal.State<GetInfoResponse | undefined>(undefined);
  readonly #theme: Signal.State<Theme>;
  readonly #rows = new WeakMap<App, AppRow>();
  readonly #deps: ConsoleStateDeps;
  readonly #api: Api;
  readonly #endNews: () => void;

  constructor(deps: ConsoleStateDeps) {
    const { window, clock } = deps;
    this.#deps = deps;
    this.#api = new Api(window.location.origin);
    this.#theme = new Signal.State(readTheme(window.localStorage));
    this.address = new Address(window);
    this.toasts = new Toasts(clock);
    this.ticker = createTicker(clock);
    this.live = new Live({
      clock,
      onFrame: deps.onFrame,
      onSignedOut: () => void this.session.ask("Your session has ended. Sign in again to go on where you were."),
    });
    this.session = new Session({
      client: () => this.#api.client,
      useToken: (token) => this.#api.use(token),
      onIn: () => {
        this.live.start(this.#api.client.watch);
        void this.#learnInfo();
      },
      onOut: () => {
        this.live.stop();
        this.#info.set(undefined);
      },
    });
    this.appRows = new Signal.Computed(() => this.live.apps.list().map((app) => this.#rowOf(app)));
    this.notices = new Signal.Computed(() => {
      const { person } = this.session;
      return this.live.notifications.list().map((one) => toNotice(one, person));
    });
    this.pressing = new Signal.Computed(() => pressing(this.notices.get()));
    this.unread = new Signal.Computed(() => this.pressing.get().filter(({ isUnread }) => isUnread).length);
    this.actions = new Actions({ client: () => this.#api.client, toasts: this.toasts, session: this.session });
    this.#endNews = announceNews({
      live: this.live,
      notices: this.notices,
      toasts: this.toasts,
      isShown: ({ way }) => {
        const { pathname, search } = this.address.url;
        return pathname === "/" || way?.href === pathname + search;
      },
    });
  }

  /** Who the agent is; undefined while that is not known. */
  get info(): GetInfoResponse | undefined {
    return this.#info.get();
  }

  /** Undefined when there is no such app; `key` is "namespace/name". */
  appRow(key: string): AppRow | undefined {
    const app = this.live.apps.get(key);
    return app && this.#rowOf(app);
  }

  get theme(): Theme {
    return this.#theme.get();
  }

  turnTheme(): void {
    const theme = nextTheme(this.#theme.get());
    this.#theme.set(theme);
    keepTheme(this.#deps.window.localStorage, theme);
    applyTheme(this.#deps.window.document.documentElement, theme);
  }

  close(): void {
    this.#endNews();
    this.live.stop();
    this.address.close();
    this.ticker.close();
  }

  /** A line is made once for each state of its app, since of thousands few change at a time. */
  #rowOf(app: App): AppRow {
    const row = this.#rows.get(app) ?? toAppRow(app);
    this.#rows.set(app, row);
    return row;
  }

  /** What it is called is good to know, and nothing waits for it. */
  async #learnInfo(): Promise<void> {
    const info = await this.#api.client.agent.getInfo({}).catch(() => undefined);
    this.#info.set(info);
  }
}
