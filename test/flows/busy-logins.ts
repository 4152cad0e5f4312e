// Many people signing in at once against a server that may die at any moment; keeps what was acknowledged to them.
import { setTimeout as delay } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import type { Account } from '../../src/accounts/accounts.ts';
import { type Browser, createBrowser } from '../support/browser.ts';
import { password } from '../support/people.ts';
import { type Answer, type Begun, basic, post, type RelyingParty } from './relying-party.ts';

/** Only what an answer said: what was asked and never answered is nobody's promise. */
export interface Acknowledged {
  /** Cookies of browsers that were sent back to the app signed in. */
  readonly sessions: Map<string, string>[];
  /** Codes that were answered with tokens: used up. */
  readonly usedCodes: { code: string; begun: Begun }[];
  /** Every token answer. */
  readonly issued: { refreshToken: string; accessToken: string }[];
  /** Refresh tokens that were answered with new ones: used up. */
  readonly rotated: string[];
  /** Refresh tokens whose owners got no newer answer and were not in the middle of asking for one. */
  readonly current: string[];
  /** `jti` of JWT access tokens. */
  readonly jwts: string[];
  /** Requests that were under way when the server died; those that found none to talk to are not counted. */
  cutOff: number;
  /** Answers that a working server would not give. */
  readonly wrong: string[];
}

export interface BusyLogins {
  readonly seen: Acknowledged;
  stop(): Promise<void>;
}

export function exchange(issuer: string, app: RelyingParty, code: string, begun: Begun): Promise<Answer> {
  const [redirect_uri = ''] = app.client.redirectUris;
  const fields = { grant_type: 'authorization_code', redirect_uri, code, code_verifier: begun.verifier };
  return post(`${issuer}/token`, fields, basic(app.client, app.secret));
}

export function refresh(issuer: string, app: RelyingParty, token: string): Promise<Answer> {
  const fields = { grant_type: 'refresh_token', refresh_token: token };
  return post(`${issuer}/token`, fields, basic(app.client, app.secret));
}

export function startBusyLogins(
  issuer: string,
  callers: { people: readonly Account[]; loops: number; app: RelyingParty; machine: RelyingParty },
): BusyLogins {
  const seen: Acknowledged = {
    sessions: [],
    usedCodes: [],
    issued: [],
    rotated: [],
    current: [],
    jwts: [],
    cutOff: 0,
    wrong: [],
  };
  const { people, app, machine } = callers;
  let over = false;

  async function login(person: Account): Promise<void> {
    const begun = await app.begin({ scope: 'openid offline_access', prompt: 'consent' });
    const browser = createBrowser(issuer);
    const landed = await signInPatiently(begun.url, person, browser);
    const code = new URL(landed.url).searchParams.get('code');
    if (!code) return wrong(`sign-in: ${landed.trail.join(', ')}`);
    seen.sessions.push(new Map(browser.cookies));
    const first = await exchange(issuer, app, code, begun);
    if (first.status !== 200) return wrong(`code: ${first.status} ${JSON.stringify(first.body)}`);
    seen.usedCodes.push({ code, begun });
    const before = keep(first);
    if (Math.random() < 0.5) return void seen.current.push(before);
    const second = await refresh(issuer, app, before);
    if (second.status !== 200) return wrong(`refresh: ${second.status} ${JSON.stringify(second.body)}`);
    seen.rotated.push(before);
    seen.current.push(keep(second));
  }

  function keep(answer: Answer): string {
    const refreshToken = String(answer.body.refresh_token);
    seen.issued.push({ refreshToken, accessToken: String(answer.body.access_token) });
    return refreshToken;
  }

  async function machineToken(): Promise<void> {
    const fields = { grant_type: 'client_credentials' };
    const answer = await post(`${issuer}/token`, fields, basic(machine.client, machine.secret));
    if (answer.status !== 200) return wrong(`machine: ${answer.status} ${JSON.stringify(answer.body)}`);
    seen.jwts.push(String(decodeJwt(String(answer.body.access_token)).jti));
  }

  function wrong(what: string): void {
    seen.wrong.push(what);
  }

  async function repeat(act: () => Promise<void>): Promise<void> {
    while (!over) {
      try {
        await act();
      } catch (error) {
        if (!isRefused(error)) seen.cutOff += 1;
        await delay(50);
      }
    }
  }

  const loops = Array.from({ length: callers.loops }, (_, turn) => {
    const person = people[turn % people.length];
    return repeat(person ? () => login(person) : machineToken);
  });
  loops.push(repeat(machineToken));

  return {
    seen,
    async stop() {
      over = true;
      await Promise.all(loops);
    },
  };
}

/** Sign-in and consent; waits where a server that has just started says "busy" or "later" to a crowd. Keeps the way. */
async function signInPatiently(url: string, person: Account, browser: Browser) {
  let page = await browser.open(url);
  const trail: string[] = [];
  for (let steps = 2, tries = 40; steps > 0 && tries > 0 && page.forms.length > 0; tries -= 1) {
    const atLogin = page.forms.some((form) => form.action.endsWith('/login'));
    page = atLogin
      ? await browser.submit(page, { identifier: person.email ?? '', password }, '/login')
      : await browser.submit(page, {}, '/consent');
    trail.push(`${page.status} ${page.url.split('?')[0]}`);
    if (page.status === 429 || page.status === 503) await delay(250);
    else steps -= 1;
  }
  return { url: page.url, trail };
}

function isRefused(error: unknown): boolean {
  const { cause } = error instanceof Error ? error : {};
  return cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED';
}
