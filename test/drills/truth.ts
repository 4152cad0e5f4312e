// What clients were told and may rely on, kept by the driver; and what was used once and must never work again.
import type { Browser } from '../support/browser.ts';
import type { Person } from './cast.ts';

/** A refresh token and its heirs. */
export interface Chain {
  readonly person: Person;
  token: string;
  /** A refresh was asked and not answered: whether the token was exchanged is not known. */
  inDoubt: boolean;
  busy: boolean;
  over: boolean;
}

export interface OpaqueToken {
  readonly text: string;
  state: 'active' | 'revoked' | 'in doubt';
}

export interface Session {
  readonly browser: Browser;
  readonly person: Person;
  /** Ends with it. */
  chain?: Chain;
}

/** Something that works once. `successes` counts over all nodes and over the fault. */
export interface Once {
  readonly kind: string;
  successes: number;
  /** True when it was accepted. Throws when it is not known. */
  use(node: number): Promise<boolean>;
}

export interface Truth {
  readonly chains: Chain[];
  readonly opaque: OpaqueToken[];
  readonly sessions: Session[];
  readonly ended: Session[];
  readonly jwts: string[];
  readonly onces: Once[];
  /** What the changed client is called: as last acknowledged, or by a later change that was not answered. */
  readonly names: string[];
  readonly lost: string[];
  /** Good tokens that were called bad for a while; at the end they are asked for again. */
  denied: number;
  /** Refresh tokens whose exchange was not answered, and that were exchanged: the person signs in again. */
  doubts: number;
}

export function createTruth(): Truth {
  return {
    chains: [],
    opaque: [],
    sessions: [],
    ended: [],
    jwts: [],
    onces: [],
    names: [],
    lost: [],
    denied: 0,
    doubts: 0,
  };
}
