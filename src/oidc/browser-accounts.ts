// Several accounts in one browser, each with an engine session of its own. One of them is in the engine's session cookie;
// the ids of the others rest, sealed, in a second one. Switching exchanges the two, and signs nobody out.
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Provider } from 'oidc-provider';
import type { Account, Accounts } from '../accounts/accounts.ts';
import type { Audit } from '../audit/audit.ts';
import { type Proof, toldOf } from '../lib/strength.ts';
import type { Config } from '../platform/config/schema.ts';
import type { Postgres } from '../platform/database/postgres.ts';
import type { Seal } from '../platform/secrets/seal.ts';
import type { Sealing } from './adapter/sealing.ts';
import { sessionId } from './adapter/sessions.ts';
import { cookieNames, cookieOptions } from './cookies.ts';
import type { Ends } from './ends.ts';
import { sessionSeconds } from './tokens/lifetimes.ts';

type Session = InstanceType<Provider['Session']>;

/** One account that is signed in in this browser. */
export interface SignedIn {
  /** The public id of its session. */
  readonly id: string;
  readonly account: Account;
  readonly session: Session;
  /** The one that the engine sees. */
  readonly active: boolean;
}

export interface BrowserAccounts {
  /** The active one first, then the one used last. Whatever the cookies say: only sessions that are alive count. */
  list(request: IncomingMessage, response: ServerResponse): Promise<SignedIn[]>;
  /** Whether somebody is signed in whom the engine does not see. Costs nothing for browsers with one account. */
  hasOthers(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
  /** The one that the engine sees, whose session this keeps from going idle: written once a minute at most. */
  visit(request: IncomingMessage, response: ServerResponse): Promise<SignedIn | undefined>;
  /** A session of its own for somebody who has just proved who they are. */
  begin(accountId: string, signIn: { proofs: readonly Proof[]; at: Date }): Promise<Session>;
  /** The active one has proved more: what its session is told, under a new id (OWASP ASVS 7.2.4). */
  strengthen(
    request: IncomingMessage,
    response: ServerResponse,
    session: Session,
    proofs: readonly Proof[],
  ): Promise<void>;
  /** The engine sees this session from now on; the one that it saw stays signed in. `back`: until goBack(). */
  activate(
    request: IncomingMessage,
    response: ServerResponse,
    session: Session,
    more?: { back?: boolean },
  ): Promise<void>;
  /** After activate() with `back`: the engine sees the session of before again. `now`: the one that it leaves behind. */
  goBack(request: IncomingMessage, response: ServerResponse, now: string | undefined): Promise<void>;
  /** Signs one account out in this browser and tells its clients; undefined when it is not signed in here. */
  signOut(request: IncomingMessage, response: ServerResponse, id: string): Promise<SignedIn | undefined>;
}

export interface BrowserAccountsDeps {
  provider: () => Provider;
  accounts: Pick<Accounts, 'find'>;
  postgres: Pick<Postgres, 'transaction'>;
  audit: Pick<Audit, 'record'>;
  ends: Pick<Ends, 'endSession'>;
  sealing: Pick<Sealing, 'idHash'>;
  seal: Seal;
  secure: boolean;
  sessions: Config['sessions'];
}

/** The active one included. The least recently used one is forgotten; its session ends when it is idle. */
const MOST_ACCOUNTS = 8;
const CONTEXT = 'browser-accounts';

/** The cookie of a session that goes on is sent anew once a minute at most. */
const RENEWED_SECONDS = 60;

/** What the second cookie holds. */
interface Parked {
  readonly ids: readonly string[];
  readonly back: boolean;
}

const NONE: Parked = { ids: [], back: false };

export function createBrowserAccounts(deps: BrowserAccountsDeps): BrowserAccounts {
  const names = cookieNames(deps.secure);
  const options = cookieOptions(deps.secure);

  function cookiesOf(request: IncomingMessage, response: ServerResponse) {
    const { cookies, secure } = deps.provider().createContext(request, response);
    cookies.secure = secure;
    const activeId = cookies.get(names.session, options.long);
    return { cookies, activeId, parked: parkedIn(cookies.get(names.accounts, options.accounts)) };
  }

  type Cookies = ReturnType<typeof cookiesOf>['cookies'];

  function parkedIn(value: string | undefined): Parked {
    if (!value) return NONE;
    const opened = deps.seal.open(Buffer.from(value, 'base64url'), CONTEXT);
    // Nothing but what keep() sealed opens under this key and context.
    return opened ? (JSON.parse(opened.toString()) as Parked) : NONE;
  }

  function keep(cookies: Cookies, parked: Parked): void {
    if (parked.ids.length === 0) {
      cookies.set(names.accounts, null, options.accounts);
      return;
    }
    const sealed = deps.seal.seal(Buffer.from(JSON.stringify(parked)), CONTEXT).toString('base64url');
    const expires = new Date(Date.now() + deps.sessions.absoluteSeconds * 1000);
    cookies.set(names.accounts, sealed, { ...options.accounts, expires });
  }

  function show(cookies: Cookies, session: Session): void {
    const expires = new Date((session.exp ?? 0) * 1000);
    cookies.set(names.session, session.jti, { ...options.long, expires });
  }

  async function signedIn(id: string | undefined): Promise<Omit<SignedIn, 'active'> | undefined> {
    const session = id === undefined ? undefined : await deps.provider().Session.find(id);
    const account = session?.accountId ? await deps.accounts.find(session.accountId) : undefined;
    if (session === undefined || account?.status !== 'active') return undefined;
    return { id: sessionId(deps.sealing.idHash(session.uid)), account, session };
  }

  async function list(request: IncomingMessage, response: ServerResponse): Promise<SignedIn[]> {
    const { activeId, parked } = cookiesOf(request, response);
    const found = await Promise.all([activeId, ...parked.ids].map(signedIn));
    const all = found.flatMap((one, index) => (one ? [{ ...one, active: index === 0 }] : []));
    const first = new Map<string, SignedIn>();
    for (const one of all) if (!first.has(one.account.id)) first.set(one.account.id, one);
    return [...first.values()];
  }

  return {
    list,

    async hasOthers(request, response) {
      const { parked } = cookiesOf(request, response);
      if (parked.ids.length === 0) return false;
      return (await list(request, response)).some(({ active }) => !active);
    },

    async visit(request, response) {
      const { cookies, activeId } = cookiesOf(request, response);
      const one = await signedIn(activeId);
      if (one === undefined) return undefined;
      const before = one.session.exp ?? 0;
      const life = sessionSeconds(one.session, deps.sessions);
      await one.session.save(life);
      if ((one.session.exp ?? 0) - before >= RENEWED_SECONDS) show(cookies, one.session);
      return { ...one, active: true };
    },

    async begin(accountId, { proofs, at }) {
      const session = new (deps.provider().Session)();
      session.loginAccount({ accountId, ...toldOf(proofs), loginTs: Math.floor(at.getTime() / 1000) });
      await session.save(Math.min(deps.sessions.idleSeconds, deps.sessions.absoluteSeconds));
      return session;
    },

    async strengthen(request, response, session, proofs) {
      Object.assign(session, toldOf(proofs), { jti: randomBytes(32).toString('base64url') });
      await session.save(sessionSeconds(session, deps.sessions));
      show(cookiesOf(request, response).cookies, session);
    },

    async activate(request, response, session, { back = false } = {}) {
      const { cookies, activeId, parked } = cookiesOf(request, response);
      if (activeId === session.jti) return;
      const left = await signedIn(activeId);
      const ids = [...(left ? [left.session.jti] : []), ...parked.ids];
      const others = [...new Set(ids)].filter((id) => id !== session.jti);
      keep(cookies, { ids: others.slice(0, MOST_ACCOUNTS - 1), back });
      show(cookies, session);
    },

    async goBack(request, response, now) {
      const { cookies, parked } = cookiesOf(request, response);
      const [first, ...rest] = parked.ids;
      if (!parked.back || first === undefined) return;
      const [before, left] = [await signedIn(first), await signedIn(now)];
      if (before === undefined) return keep(cookies, { ids: rest, back: false });
      keep(cookies, { ids: [...(left ? [left.session.jti] : []), ...rest], back: false });
      show(cookies, before.session);
    },

    async signOut(request, response, id) {
      const { cookies, parked } = cookiesOf(request, response);
      const one = (await list(request, response)).find((candidate) => candidate.id === id);
      if (one === undefined) return undefined;
      await deps.postgres.transaction(async (trx) => {
        if ((await deps.ends.endSession(trx, id)) === undefined) return;
        await deps.audit.record(trx, {
          type: 'session.ended',
          actor: { kind: 'account', id: one.account.id },
          outcome: 'success',
          accountId: one.account.id,
          target: { kind: 'session', id },
          reason: 'signed_out',
        });
      });
      if (one.active) cookies.set(names.session, null, options.long);
      else keep(cookies, { ids: parked.ids.filter((other) => other !== one.session.jti), back: parked.back });
      return one;
    },
  };
}
