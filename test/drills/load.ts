// People and machines that go on whatever happens: sign-ins, refreshes, tokens, changes, revocations, sessions ended.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import type { Begun } from '../flows/relying-party.ts';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { password } from '../support/people.ts';
import type { Cast, Person } from './cast.ts';
import { Problem, problemOf, REFRESH_IN_DOUBT, type Recorder, strictFetch } from './record.ts';
import type { Chain, Session, Truth } from './truth.ts';
import type { World } from './world.ts';

export interface Scene {
  readonly world: World;
  readonly cast: Cast;
  readonly recorder: Recorder;
  readonly truth: Truth;
}

type Loop = readonly [pauseMilliseconds: number, act: (scene: Scene) => Promise<unknown>];

/** How many of each, and how long each one waits between two acts. */
const loops: readonly Loop[] = [
  [400, signIn],
  [400, signIn],
  [60, refresh],
  [60, refresh],
  [60, refresh],
  [80, machineToken],
  [80, machineToken],
  [150, opaqueToken],
  [200, introspect],
  [300, changeClient],
  [700, endSession],
  [250, metadata],
];

export interface Load {
  stop(): Promise<void>;
}

export function startLoad(scene: Scene): Load {
  const load = { over: false };
  const busy = loops.map(async ([pause, act]) => {
    while (!load.over) {
      await delay(pause * (0.5 + Math.random()));
      // The recorder has noted it.
      await act(scene).catch(() => {});
    }
  });
  return {
    async stop() {
      load.over = true;
      await Promise.all(busy);
    },
  };
}

const oneOf = <T>(many: readonly T[]): T | undefined => many[Math.floor(Math.random() * many.length)];

export function personOf({ cast }: Scene): Person {
  return oneOf(cast.people) ?? { id: '', email: '' };
}

/** A page that is shown or left by a redirect; anything else is a Problem. */
export async function page(scene: Scene, what: string, show: () => Promise<Shown>): Promise<Shown> {
  return scene.recorder.attempt(what, async () => {
    const shown = await show();
    if (shown.status >= 400) throw new Problem(shown.status, shown.headers, shown.html);
    const refused = new URL(shown.url).searchParams.get('error');
    if (refused !== null) throw new Problem(400, shown.headers, `"error":"${refused}"`);
    return shown;
  });
}

/** From the app to its redirect address: the browser has a session then, and the address a code. */
export async function land(scene: Scene, person: Person, browser: Browser, begun: Begun): Promise<Shown> {
  const login = await page(scene, 'authorize', () => browser.open(begun.url));
  if (login.forms.length === 0) return login;
  const typed = { identifier: person.email, password };
  return page(scene, 'password', async () => {
    const left = await browser.submit(login, typed, '/login');
    if (left.html === '') return left;
    const { status, headers, html } = left;
    throw new Problem(status, headers, `${html} (shown in place of the app)`);
  });
}

export async function signInTo(scene: Scene, person = personOf(scene)) {
  const browser = createBrowser(scene.world.issuer);
  // By this name the session is found in the list of an account.
  browser.headers['user-agent'] = `Drill/${randomUUID()}`;
  const begun = await scene.cast.app.begin({ scope: 'openid offline_access' });
  const landed = await land(scene, person, browser, begun);
  return { browser, person, begun, landed };
}

async function signIn(scene: Scene): Promise<void> {
  const { browser, person, begun, landed } = await signInTo(scene);
  const session: Session = { browser, person };
  scene.truth.sessions.push(session);
  const tokens = await scene.recorder.attempt('code', () => scene.cast.app.finish(landed.url, begun));
  const chain = { person, token: tokens.refresh_token ?? '', inDoubt: false, busy: false, over: false };
  session.chain = chain;
  scene.truth.chains.push(chain);
}

async function refresh(scene: Scene): Promise<void> {
  const free = scene.truth.chains.filter(({ busy, over }) => !busy && !over);
  const chain = oneOf(free);
  if (chain) await refreshOnce(scene, chain);
}

export async function refreshOnce(scene: Scene, chain: Chain): Promise<void> {
  chain.busy = true;
  try {
    const { config } = scene.cast.app;
    const answer = await scene.recorder.attempt(chain.inDoubt ? REFRESH_IN_DOUBT : 'refresh', () =>
      oauth.refreshTokenGrant(config, chain.token),
    );
    chain.token = answer.refresh_token ?? '';
    chain.inDoubt = false;
  } catch (error) {
    if (problemOf(error)?.code === 'invalid_grant') {
      chain.over = true;
      if (chain.inDoubt) scene.truth.doubts += 1;
      else {
        const when = new Date().toISOString();
        scene.truth.lost.push(`a refresh token of ${chain.person.id} is not known (${when})`);
      }
    } else chain.inDoubt = true;
    throw error;
  } finally {
    chain.busy = false;
  }
}

async function machineToken({ cast, recorder, truth }: Scene): Promise<void> {
  const { access_token } = await recorder.attempt('machine', () =>
    oauth.clientCredentialsGrant(cast.machine.config),
  );
  truth.jwts.push(access_token);
}

async function opaqueToken({ cast, recorder, truth }: Scene): Promise<void> {
  const { config } = cast.opaque;
  const { access_token } = await recorder.attempt('machine', () => oauth.clientCredentialsGrant(config));
  const token = { text: access_token, state: 'active' as 'active' | 'revoked' | 'in doubt' };
  truth.opaque.push(token);
  if (Math.random() > 0.3) return;
  token.state = 'in doubt';
  await recorder.attempt('revoke', () => oauth.tokenRevocation(config, token.text));
  token.state = 'revoked';
}

async function introspect({ cast, recorder, truth }: Scene): Promise<void> {
  const token = oneOf(truth.opaque.filter(({ state }) => state === 'active'));
  if (!token) return;
  const { active } = await recorder.attempt('introspect', () =>
    oauth.tokenIntrospection(cast.opaque.config, token.text),
  );
  if (!active && token.state === 'active') truth.denied += 1;
}

/** A new name for one client, again and again; only the newest may be what is kept. */
async function changeClient(scene: Scene): Promise<void> {
  const { cast, truth, recorder } = scene;
  const path = `/clients/${cast.subject.client.id}`;
  const name = `Name ${performance.now()}`;
  const found = await recorder.attempt('api', () => api(scene, 'GET', path));
  truth.names.push(name);
  const etag = found.headers.get('etag') ?? '';
  const done = await recorder.attempt('api', () =>
    api(scene, 'PATCH', path, { name }, { 'if-match': etag }).catch((error) => {
      // Somebody else was faster: as it should be.
      if (problemOf(error)?.status !== 412) throw error;
    }),
  );
  if (!done) return void truth.names.pop();
  // What was asked before the acknowledged one is over: If-Match refuses it.
  truth.names.splice(0, truth.names.indexOf(name));
}

async function endSession(scene: Scene): Promise<void> {
  const { truth, recorder } = scene;
  if (truth.sessions.length < 8) return;
  const session = truth.sessions.find(({ chain }) => chain && !chain.busy);
  if (!session?.chain) return;
  truth.sessions.splice(truth.sessions.indexOf(session), 1);
  // Nothing is expected of it any more, whatever comes of this.
  session.chain.over = true;
  const path = `/sessions?accountId=${session.person.id}&limit=100`;
  const list = await recorder.attempt('api', async () => (await api(scene, 'GET', path)).json());
  const { items } = list as { items: { id: string; userAgent: string }[] };
  const own = items.find(({ userAgent }) => userAgent === session.browser.headers['user-agent']);
  // On a later page: somebody else's turn.
  if (!own) return;
  await recorder.attempt('api', () => api(scene, 'DELETE', `/sessions/${own.id}`));
  truth.ended.push(session);
}

/** The management API as a program uses it. */
export async function api(
  { world, cast }: Pick<Scene, 'world' | 'cast'>,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  origin: string = world.issuer,
): Promise<Response> {
  const token = await cast.operatorToken();
  const json = body === undefined ? {} : { body: JSON.stringify(body) };
  return strictFetch(`${origin}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...json,
  });
}

async function metadata({ world, recorder }: Scene): Promise<void> {
  for (const path of ['/jwks', '/.well-known/openid-configuration']) {
    await recorder.attempt('metadata', async () => (await strictFetch(world.issuer + path)).text());
  }
}

export const tokenIdOf = (jwt: string): string => String(decodeJwt(jwt).jti);
