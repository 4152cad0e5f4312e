// After a drill: is everything still true that clients were told, and does nothing work again that was used?
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oauth from 'openid-client';
import { Client } from 'pg';
import { api, refreshOnce, type Scene, tokenIdOf } from './load.ts';
import { describe, problemOf } from './record.ts';
import type { Session } from './truth.ts';

/** What was lost: one line for each thing. */
export async function verify(scene: Scene): Promise<void> {
  await replay(scene);
  await chains(scene);
  await opaqueTokens(scene);
  await sessions(scene);
  await jwts(scene);
  await changes(scene);
}

async function replay({ truth }: Scene): Promise<void> {
  for (const once of truth.onces) {
    for (const node of [0, 1]) if (await once.use(node).catch(() => false)) once.successes += 1;
  }
}

/** The newest token of every chain. refreshOnce says itself what it has lost. */
async function chains(scene: Scene): Promise<void> {
  for (const chain of scene.truth.chains.filter(({ over }) => !over)) {
    await refreshOnce(scene, chain).catch((error) => {
      if (problemOf(error)?.code !== 'invalid_grant')
        scene.truth.lost.push(`a refresh failed: ${describe(error)}`);
    });
  }
}

async function opaqueTokens({ truth, cast }: Scene): Promise<void> {
  for (const { text, state } of truth.opaque) {
    const { active } = await oauth.tokenIntrospection(cast.opaque.config, text);
    if (state === 'active' && !active) truth.lost.push('an access token is not active');
    if (state === 'revoked' && active) truth.lost.push('a revocation: the token is active');
  }
}

async function sessions(scene: Scene): Promise<void> {
  const { truth } = scene;
  for (const session of truth.sessions) {
    const answer = await silently(scene, session);
    if (!answer.has('code')) truth.lost.push(`a session of ${session.person.id} (${answer.get('error')})`);
  }
  for (const session of truth.ended) {
    if ((await silently(scene, session)).has('code')) truth.lost.push('the end of a session: it is there');
    if (await stillRefreshes(scene, session))
      truth.lost.push('the end of a session: its refresh token works');
  }
}

async function stillRefreshes({ cast }: Scene, { chain }: Session): Promise<boolean> {
  try {
    await oauth.refreshTokenGrant(cast.app.config, chain?.token ?? '');
    return true;
  } catch {
    return false;
  }
}

async function silently({ cast }: Scene, { browser }: Session): Promise<URLSearchParams> {
  const { url } = await browser.open((await cast.app.begin({ prompt: 'none' })).url);
  return new URL(url).searchParams;
}

/** Good by the published keys, and each in the ledger. */
async function jwts({ truth, world }: Scene): Promise<void> {
  const keys = createRemoteJWKSet(new URL(`${world.issuer}/jwks`));
  for (const jwt of truth.jwts) {
    await jwtVerify(jwt, keys, { issuer: world.issuer, clockTolerance: 700 }).catch((error) => {
      truth.lost.push(`a token is not good any more: ${describe(error)}`);
    });
  }
  const database = new Client({ connectionString: world.postgres.url() });
  await database.connect();
  try {
    const { rows } = await database.query<{ id: string }>(
      `select wanted.id from unnest($1::text[]) as wanted(id) where not exists (
         select 1 from audit_events where type = 'token.issued' and details->>'tokenId' = wanted.id)`,
      [truth.jwts.map(tokenIdOf)],
    );
    for (const { id } of rows) truth.lost.push(`the event of token ${id}`);
  } finally {
    await database.end();
  }
}

async function changes(scene: Scene): Promise<void> {
  const { truth, cast } = scene;
  if (truth.names.length === 0) return;
  const found = await api(scene, 'GET', `/clients/${cast.subject.client.id}`);
  const { name } = (await found.json()) as { name: string };
  if (!truth.names.includes(name)) truth.lost.push(`a change of a client: ${name} is not of ${truth.names}`);
}
