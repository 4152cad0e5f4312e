// Measures everything that examinations look at; what cannot be measured becomes a Problem and stops nothing else.
import { stat } from 'node:fs/promises';
import { chooseSenders } from '../messages/messages.ts';
import { type Reflection, reflectionRequest } from '../platform/api/reflection.ts';
import { systemClock } from '../platform/clock.ts';
import type { Config } from '../platform/config/schema.ts';
import type { Db } from '../platform/database/postgres.ts';
import { inspectDisk } from '../platform/inspect/disk.ts';
import { isProblem, measured, type Problem } from '../platform/inspect/problem.ts';
import { type AskPublic, createAskPublic } from '../platform/inspect/public-address.ts';
import { inspectRedis } from '../platform/inspect/redis.ts';
import { inspectTls } from '../platform/inspect/tls.ts';
import type { Redis } from '../platform/redis/redis.ts';
import { masterKeyFiles } from '../platform/secrets/master-key.ts';
import { type Facts, type PublicFacts, SCRIPT, SPOOFED_ADDRESS } from './facts.ts';
import { databaseFacts, storedFacts } from './store.ts';

/** What could be opened; a part that could not says why. */
export interface Opened {
  readonly db: Db | Problem;
  readonly redis: Redis | Problem | null;
  /** Proves to the server that the doctor asks. */
  readonly probeKey: Buffer | Problem;
  readonly pendingMigrations: readonly string[] | Problem;
}

export async function gatherFacts(config: Config, opened: Opened): Promise<Facts> {
  const { db, redis } = opened;
  const url = new URL(config.issuer);
  const [publicFacts, tls, database, stored, redisFacts, disk, carriers, masterKeyExposed] =
    await Promise.all([
      gatherPublic(config, opened.probeKey),
      url.protocol === 'https:' ? inspectTls(url) : null,
      isProblem(db) ? db : measured(() => databaseFacts(db)),
      gatherStored(opened),
      redis === null || isProblem(redis) ? redis : inspectRedis(redis),
      config.database.url === undefined ? inspectDisk(config.database.dataDirectory) : null,
      gatherCarriers(config),
      measured(() => isMasterKeyExposed(config)),
    ]);
  return {
    config,
    now: new Date(),
    public: publicFacts,
    tls,
    database,
    stored,
    redis: redisFacts,
    disk,
    carriers,
    masterKeyExposed,
  };
}

async function gatherCarriers(config: Config): Promise<Facts['carriers']> {
  const { mail, sms } = chooseSenders(config, { clock: systemClock });
  const [forMail, forSms] = await Promise.all(
    [mail, sms].map(async (sender) => {
      if (sender === undefined) return null;
      const outcome = await sender.check();
      sender.close();
      return { kind: sender.kind, outcome };
    }),
  );
  return { mail: forMail ?? null, sms: forSms ?? null };
}

async function gatherStored({ db, pendingMigrations }: Opened): Promise<Facts['stored']> {
  if (isProblem(db)) return db;
  if (isProblem(pendingMigrations)) return pendingMigrations;
  const stored = await measured(() => storedFacts(db));
  return isProblem(stored) ? stored : { ...stored, pendingMigrations };
}

async function gatherPublic(config: Config, probeKey: Buffer | Problem): Promise<PublicFacts> {
  const ask = createAskPublic(config.issuer);
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const [discovery, keys, page, reflection, spoofed, malformed, quote, script, forged, unauthorized] =
    await Promise.all([
      ask('/.well-known/openid-configuration'),
      ask('/jwks'),
      ask('/device'),
      reflect(ask, probeKey, {}),
      reflect(ask, probeKey, { 'x-forwarded-for': SPOOFED_ADDRESS }),
      ask('/token', { method: 'POST', headers: form, body: 'grant_type=' }),
      ask(`/authorize?client_id=${encodeURIComponent(`' or '1'='1`)}&response_type=code`),
      ask(
        `/authorize?client_id=doctor&error=${encodeURIComponent(SCRIPT)}&scope=${encodeURIComponent(SCRIPT)}`,
      ),
      ask('/setup', {
        method: 'POST',
        headers: { ...form, 'sec-fetch-site': 'cross-site' },
        body: 'doctor=1',
      }),
      ask('/api/v1/accounts'),
    ]);
  return { discovery, keys, page, reflection, spoofed, malformed, quote, script, forged, unauthorized };
}

async function reflect(
  ask: AskPublic,
  probeKey: Buffer | Problem,
  headers: Record<string, string>,
): Promise<Reflection | Problem> {
  if (isProblem(probeKey)) return probeKey;
  const request = reflectionRequest(probeKey);
  const answer = await ask(request.path, { headers: { ...headers, ...request.headers } });
  if (isProblem(answer)) return answer;
  if (answer.status !== 200) {
    return {
      problem: `the server at ISSUER answered ${answer.status}; it has other keys or another release`,
    };
  }
  // Answered by our own reflectionMiddleware, which had to know the secret.
  return measured(async () => JSON.parse(answer.text) as Reflection);
}

async function isMasterKeyExposed({ secrets }: Config): Promise<boolean | null> {
  // Unread: a key that others can read is refused by whoever reads it, and that is what is looked for here.
  const files = masterKeyFiles(secrets);
  if (files.length === 0) return null;
  const modes = await Promise.all(files.map(async (file) => (await stat(file)).mode));
  return modes.some((mode) => (mode & 0o077) !== 0);
}
