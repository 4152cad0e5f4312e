// The work that is measured, the same for Gatehouse and for the bare engine; only the addresses of the endpoints differ.
import { createHash, randomBytes } from 'node:crypto';
import { generateSync } from 'otplib';
import { apps, emailOf, machine, password, secondFactorEmailOf, secondFactorPeople } from './fixture.ts';
import { type Answer, expectStatus, form, type Target, type Work } from './load.ts';

export interface Side {
  readonly target: Target;
  readonly paths: { authorize: string; token: string; introspect: string; jwks: string };
  /** `key`: an API key; undefined where there is no such thing, and a client asks in its place. */
  readonly secrets: { jwt: string; opaque: string; web: string; key?: string };
  /** Who signs in; each loop is a person of its own otherwise. */
  readonly emailOf?: (loop: number) => string;
  /** Of the authenticator apps of those who have one, by loop; undefined where there is no second factor. */
  readonly authenticators?: readonly string[];
}

/** Makes one loop's work; what a loop needs first (a token, a refresh token) is fetched before the clock runs. */
export type Scenario = (side: Side, loop: number) => Promise<Work>;

export const scenarios: Record<string, Scenario> = {
  'client credentials, JWT': clientCredentials('jwt', (token) => token.split('.').length === 3),
  'client credentials, opaque': clientCredentials('opaque', (token) => token.length === 43),

  async 'token for an API key'(side) {
    const fields = { grant_type: 'client_credentials', scope: 'notes:read' };
    const { key, jwt: secret } = side.secrets;
    const call = form(fields, key === undefined ? { id: machine.jwt.id, secret } : undefined);
    const headers = { ...call.headers, ...(key === undefined ? {} : { 'x-api-key': key }) };
    return async () => {
      const answer = expectStatus(await side.target.send({ ...call, headers, path: side.paths.token }), 200);
      if (JSON.parse(answer.body).access_token.split('.').length !== 3) throw new Error('not a JWT');
    };
  },

  /** The engine refuses those, so it is asked about an opaque one. */
  async 'introspection of a JWT'(side) {
    const kind = side.secrets.key === undefined ? 'opaque' : 'jwt';
    const token = JSON.parse((await requestToken(side, kind)).body).access_token;
    const call = form({ token }, { id: machine[kind].id, secret: side.secrets[kind] });
    return async () => {
      const answer = expectStatus(await side.target.send({ ...call, path: side.paths.introspect }), 200);
      if (!answer.body.includes('"active":true')) throw new Error(`not active: ${answer.body}`);
    };
  },

  async introspection(side) {
    const token = JSON.parse((await requestToken(side, 'opaque')).body).access_token;
    const call = form({ token }, { id: machine.opaque.id, secret: side.secrets.opaque });
    return async () => {
      const answer = expectStatus(await side.target.send({ ...call, path: side.paths.introspect }), 200);
      if (!answer.body.includes('"active":true')) throw new Error(`not active: ${answer.body}`);
    };
  },

  async refresh(side, loop) {
    let token = (await signIn(side, loop)).refresh_token;
    return async () => {
      const fields = { grant_type: 'refresh_token', refresh_token: token };
      const call = form(fields, { id: apps.web.id, secret: side.secrets.web });
      const answer = expectStatus(await side.target.send({ ...call, path: side.paths.token }), 200);
      token = JSON.parse(answer.body).refresh_token;
    };
  },

  async 'code flow'(side, loop) {
    return async () => {
      const tokens = await signIn(side, loop);
      if (!tokens.id_token || !tokens.refresh_token) throw new Error('tokens are missing');
    };
  },

  async 'code flow with TOTP'(side, loop) {
    // Where there are more loops than people, some are the same person.
    const secret = side.authenticators?.[loop % secondFactorPeople];
    const person = secret === undefined ? side : { ...side, emailOf: secondFactorEmailOf };
    return async () => {
      const tokens = await signIn(person, loop, secret);
      if (secret !== undefined && !strengthIn(tokens).includes('"mfa"')) throw new Error('no second factor');
    };
  },

  async 'sign-in page'(side) {
    return async () => {
      const page = expectStatus((await openSignIn(side, new Map())).page, 200);
      if (!page.body.includes('name="password"')) throw new Error(`no sign-in page: ${page.body}`);
    };
  },

  async JWKS(side) {
    return async () => {
      const answer = expectStatus(await side.target.send({ method: 'GET', path: side.paths.jwks }), 200);
      if (!answer.body.includes('"keys"')) throw new Error('no keys');
    };
  },
};

function clientCredentials(kind: 'jwt' | 'opaque', isRight: (token: string) => boolean): Scenario {
  return async (side) => async () => {
    const answer = expectStatus(await requestToken(side, kind), 200);
    if (!isRight(JSON.parse(answer.body).access_token)) throw new Error(`not a ${kind} token`);
  };
}

function requestToken(side: Side, kind: 'jwt' | 'opaque'): Promise<Answer> {
  const fields = { grant_type: 'client_credentials', scope: 'notes:read' };
  const call = form(fields, { id: machine[kind].id, secret: side.secrets[kind] });
  return side.target.send({ ...call, path: side.paths.token });
}

export type Cookies = Map<string, string>;

interface Tokens {
  id_token?: string;
  refresh_token: string;
}

function strengthIn({ id_token = '' }: Tokens): string {
  return Buffer.from(id_token.split('.')[1] ?? '', 'base64url').toString();
}

/** A browser that nobody is signed in with, up to the page that asks who is there. */
async function openSignIn(side: Side, cookies: Cookies): Promise<{ page: Answer; verifier: string }> {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const query = new URLSearchParams({
    client_id: apps.web.id,
    redirect_uri: apps.web.redirectUri,
    response_type: 'code',
    scope: 'openid offline_access',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    nonce: 'n',
  });
  return { page: await follow(side, cookies, `${side.paths.authorize}?${query}`), verifier };
}

/**
 * A whole sign-in without a session: authorize, sign-in page, password, a code where there is an app for it, redirect back,
 * code exchange with PKCE.
 */
async function signIn(side: Side, loop: number, secret?: string): Promise<Tokens> {
  const cookies: Cookies = new Map();
  const { page, verifier } = await openSignIn(side, cookies);
  const landed = await prove(side, cookies, page, { emailOf: side.emailOf ?? emailOf, loop, secret });
  const code = new URL(landed.headers.location ?? '').searchParams.get('code') ?? '';
  const exchange = form(
    { grant_type: 'authorization_code', code, redirect_uri: apps.web.redirectUri, code_verifier: verifier },
    { id: apps.web.id, secret: side.secrets.web },
  );
  return JSON.parse(expectStatus(await side.target.send({ ...exchange, path: side.paths.token }), 200).body);
}

interface Who {
  readonly emailOf: (loop: number) => string;
  readonly loop: number;
  readonly secret?: string | undefined;
}

/** From the sign-in page to wherever it leads. */
async function prove(side: Side, cookies: Cookies, page: Answer, who: Who): Promise<Answer> {
  const typed = { identifier: who.emailOf(who.loop), password };
  const next = await submit(side, cookies, page, 'login', typed);
  if (who.secret === undefined) return next;
  return submit(side, cookies, next, 'second-factor', {
    way: 'totp',
    code: generateSync({ secret: who.secret }),
  });
}

/** The cookies of a browser that is signed in, unless told otherwise with a second factor, and looked at this page. */
export async function signedInAt(side: Side, path: string, who?: Who): Promise<Cookies> {
  const cookies: Cookies = new Map();
  const page = await follow(side, cookies, path);
  const person = who ?? { emailOf: secondFactorEmailOf, loop: 0, secret: side.authenticators?.[0] };
  expectStatus(await prove(side, cookies, page, person), 200);
  return cookies;
}

async function submit(
  side: Side,
  cookies: Cookies,
  page: Answer,
  step: string,
  typed: Record<string, string>,
): Promise<Answer> {
  const action = new RegExp(`action="([^"]*/${step})"`).exec(page.body)?.[1];
  const csrf = /name="_csrf" value="([^"]+)"/.exec(page.body)?.[1];
  if (!action) throw new Error(`no form for ${step}: ${page.status} ${page.body.slice(0, 300)}`);
  const { method, headers = {}, body = '' } = form({ ...typed, ...(csrf ? { _csrf: csrf } : {}) });
  const sent = await side.target.send({
    method,
    path: new URL(action, 'http://x').pathname,
    headers: { ...headers, cookie: cookieHeader(cookies) },
    body,
  });
  keep(cookies, sent);
  return follow(side, cookies, pathOf(expectStatus(sent, 303)));
}

/** Follows redirects on the server itself; answers the page, or the redirect that leads away. */
async function follow(side: Side, cookies: Cookies, path: string): Promise<Answer> {
  let next = path;
  for (let hop = 0; hop < 8; hop += 1) {
    const headers = { cookie: cookieHeader(cookies), accept: 'text/html' };
    const answer = await side.target.send({ method: 'GET', path: next, headers });
    keep(cookies, answer);
    const { location } = answer.headers;
    if (!location || location.startsWith(apps.web.redirectUri)) return answer;
    next = pathOf(answer);
  }
  throw new Error('too many redirects');
}

function pathOf(answer: Answer): string {
  const url = new URL(answer.headers.location ?? '', 'http://x');
  return `${url.pathname}${url.search}`;
}

function keep(cookies: Cookies, answer: Answer): void {
  for (const line of answer.headers['set-cookie'] ?? []) {
    const [pair = ''] = line.split(';');
    const at = pair.indexOf('=');
    if (pair.length === at + 1) cookies.delete(pair.slice(0, at));
    else cookies.set(pair.slice(0, at), pair.slice(at + 1));
  }
}

export function cookieHeader(cookies: Cookies): string {
  return [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
}
