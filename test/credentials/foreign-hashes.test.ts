// Hashes of other systems: each signs its owner in once, and is ours from then on.
import { pbkdf2Sync, randomUUID, scryptSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readForeignHash } from '../../src/credentials/password/foreign/formats.ts';
import { createMatcher } from '../../src/credentials/password/matching.ts';
import { useDatabase } from '../support/database.ts';
import { createWorld, operator } from './world.ts';

const { postgres, db } = useDatabase();

const PASSWORD = 'violet umbrella 5 ü';

/** Made with passlib 1.7.4, argon2-cffi 25 and Django 5.2. */
const known: readonly [name: string, hash: string, password: string][] = [
  ['passlib, PBKDF2 with SHA-1', '$pbkdf2$1000$z7n3PkfoXatVSiklJKS0lg$FdXiECn5s2GOlmIX6nQuwWzLjBc', PASSWORD],
  [
    'passlib, PBKDF2 with SHA-256',
    '$pbkdf2-sha256$1000$zzknxJgT4hzDOAfAOKd0jg$oMCUMXTgtlri4iIhetNsl7KPBAbC0lDapRmakAhxRSI',
    PASSWORD,
  ],
  [
    'passlib, PBKDF2 with SHA-512',
    '$pbkdf2-sha512$1000$8t77n3NOqTUmhFCqVUqp9Q$xbiaW.vgXSGHixioRz5bb9kcX8UT4LvtPaSQPwQfeiYmKaeTMSKvdrld86aZEldn5K4/3KwhXh0jc1k.umJxXg',
    PASSWORD,
  ],
  [
    'passlib, scrypt',
    '$scrypt$ln=8,r=8,p=1$GWOstdZai7FW6t27VwoBIA$w0h9fLoYq7nglLsDfTaOLxdiuh1oTKMENd3CMMZ9ukg',
    PASSWORD,
  ],
  ['bcrypt 2b', '$2b$04$Yn9BF0/yJL2gtb0Wc4d.4uxKr24CFKiBtfKEMm7rCkMMZ5CUgK6dS', PASSWORD],
  ['bcrypt 2a', '$2a$04$n2uWCADfqkDSnvJNvK7T/u75.tf0ALluPhWsDZvzxGcO8XM3w47I6', PASSWORD],
  ['bcrypt 2y', '$2y$04$AzNSx.5s6WISIIjoZr4TRekrmpaSRaXb8CdhF66Ngc0qXso0nUHx6', PASSWORD],
  [
    'Argon2id with other costs',
    '$argon2id$v=19$m=256,t=3,p=2$sBMu14DChpHhPRHQjAZJMw$mLPpPdo3iaRMVY2NAhq9eBd4zYUeRYN4',
    PASSWORD,
  ],
  [
    'Argon2i with other costs',
    '$argon2i$v=19$m=256,t=3,p=2$JMi67GK73Rycydx/9R2Egg$gi7xK7oulnEu7hRrbkImg8t50cn5IXUI',
    PASSWORD,
  ],
  [
    'Argon2d with other costs',
    '$argon2d$v=19$m=256,t=3,p=2$FtENcH1HgQLtCL2Y8UZc5g$VBLBnb+ouVjNqD9srTs+4wUiMb25u7Op',
    PASSWORD,
  ],
  [
    'Argon2i of version 16',
    '$argon2i$v=16$m=256,t=2,p=1$c2FsdHNhbHRzYWx0$6cn+desQdji8tlLCIxkWLm69yVXIdUfwZCMnPRwEE4Q',
    PASSWORD,
  ],
  [
    'Django, PBKDF2 with SHA-256',
    'pbkdf2_sha256$1000$saltsaltsaltsaltsalt12$7bRH+zB5VCbH9JpZsg7SuKkyiiL3ULSM9jLs4ZEUoSQ=',
    PASSWORD,
  ],
  [
    'Django, PBKDF2 with SHA-1',
    'pbkdf2_sha1$1000$saltsaltsaltsaltsalt12$nDia/p8772w31ejqRVXNB5zTMxY=',
    PASSWORD,
  ],
  [
    'Django, scrypt',
    'scrypt$256$saltsaltsaltsaltsalt12$8$5$ZZn0pLH4EA3pXRuPhr9WaPeQS/l6McckHU49Cz2meEfKuWT8YLq08Gm9+J+05KXqdMFQ1+GCLMmNIRHbPd722Q==',
    PASSWORD,
  ],
  ['Django, bcrypt', 'bcrypt$$2b$04$N9qo8uLOickgx2ZMRZoMyeZ6X27HYGini4QxIqqn8Ln9QOqG1/8ha', PASSWORD],
  [
    'Django, Argon2',
    'argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHRzYWx0c2FsdHNhbHQxMg$z2BFtOe+RFgyBaBwuithTHtB8n+TUwDPCOKay15HLlc',
    PASSWORD,
  ],
];

const matcher = createMatcher();
const candidate = (typed: string) => ({ typed, normalized: typed.normalize('NFKC') });

function stored(hash: string): string {
  const read = readForeignHash(hash);
  if (read.kind !== 'taken') throw new Error(`${hash} is ${read.kind}`);
  return read.stored;
}

describe('a hash of another system', () => {
  it.each(known)('of %s matches its password and no other', async (_name, hash, password) => {
    expect(await matcher.matches(stored(hash), candidate(password))).toBe(true);
    expect(await matcher.matches(stored(hash), candidate(`${password}x`))).toBe(false);
    expect(await matcher.matches(stored(hash), candidate(''))).toBe(false);
  });

  it.each(known)('of %s turns into ours at the next sign-in', async (_name, hash, password) => {
    const world = createWorld(postgres);
    const account = await world.accounts.create({ username: `u-${randomUUID()}` }, operator);
    const { passwords } = world.credentials;
    const brought = { accountId: account.id, hash: stored(hash), short: false, changeRequired: false };
    await postgres.transaction((trx) => passwords.bring(trx, [brought]));
    const signIn = () =>
      world.credentials.verify('password', { identifier: account.username ?? '', password });
    expect(await signIn()).toMatchObject({ kind: 'ok' });
    const row = await db('passwords').where({ account_id: account.id }).first('hash');
    expect(row?.hash).toMatch(/^\$argon2id\$v=19\$m=64,t=1,p=1\$/);
    expect(await signIn()).toMatchObject({ kind: 'ok' });
    const types = await db('audit_events')
      .where({ account_id: account.id })
      .orderBy('sequence')
      .pluck('type');
    expect(types).toEqual(['account.created', 'password.rehashed', 'sign-in.succeeded', 'sign-in.succeeded']);
  });

  it('in the form of the PHC is read as it is', async () => {
    const salt = Buffer.from('salt salt salt');
    const b64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '');
    const pbkdf2 = b64(pbkdf2Sync(PASSWORD, salt, 1000, 32, 'sha512'));
    const scrypt = b64(scryptSync(PASSWORD, salt, 64, { N: 512, r: 4, p: 2 }));
    for (const hash of [
      `$pbkdf2-sha512$i=1000$${b64(salt)}$${pbkdf2}`,
      `$pbkdf2-sha512$i=1000,l=32$${b64(salt)}$${pbkdf2}`,
      `$scrypt$ln=9,r=4,p=2$${b64(salt)}$${scrypt}`,
    ]) {
      expect(stored(hash)).toBe(hash);
      expect(await matcher.matches(hash, candidate(PASSWORD))).toBe(true);
    }
  });

  it('of bcrypt is looked at up to 72 bytes, as bcrypt does, and counts whole once it is ours', async () => {
    const { hashSync } = await import('bcryptjs');
    const long = 'x'.repeat(72);
    const hash = stored(hashSync(`${long}tail`, 4));
    expect(await matcher.matches(hash, candidate(`${long}other`))).toBe(true);
    expect(await matcher.matches(hash, candidate('x'.repeat(71)))).toBe(false);
  });

  it('of what was typed in another form of Unicode is found, too', async () => {
    const { hashSync } = await import('bcryptjs');
    const typed = 'ﬁne café ①';
    expect(await matcher.matches(stored(hashSync(typed, 4)), candidate(typed))).toBe(true);
  });

  it.each([
    ['md5', '5f4dcc3b5aa765d61d8327deb882cf99'],
    ['crypt with SHA-512', '$6$rounds=5000$saltsalt$abcdefghijklmnop'],
    ['the faulty bcrypt', '$2x$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy'],
    ['a hash that is too short to mean anything', '$pbkdf2-sha256$i=1000$c2FsdA$aGFzaA'],
    ['no iterations', '$pbkdf2-sha256$i=0$c2FsdHNhbHQ$RIoL9XwEHUSLCnXFmJdELFBNcIyGjcJKcLQAuJzZBFM'],
    ['bcrypt with three rounds', '$2b$03$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy'],
    ['a scrypt cost that is no power of two', `scrypt$1000$salt$8$1$${'A'.repeat(86)}==`],
    ['plain text', 'correct horse'],
    ['nothing', ''],
    ['a megabyte', '$'.repeat(1_000_000)],
  ])('of no known form is refused: %s', (_name, hash) => {
    expect(readForeignHash(hash)).toEqual({ kind: 'unknown' });
  });

  it.each([
    [
      'Argon2 with 4 GiB',
      '$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$RIoL9XwEHUSLCnXFmJdELFBNcIyGjcJKcLQAuJzZBFM',
    ],
    [
      'Argon2 with many passes',
      '$argon2id$v=19$m=65536,t=500,p=1$c2FsdHNhbHQ$RIoL9XwEHUSLCnXFmJdELFBNcIyGjcJKcLQAuJzZBFM',
    ],
    ['bcrypt with 20 rounds', '$2b$20$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy'],
    ['scrypt with 2^24', `$scrypt$ln=24,r=8,p=1$c2FsdHNhbHQ$${'A'.repeat(43)}`],
    ['PBKDF2 with 100 million', `$pbkdf2-sha256$i=99999999$c2FsdHNhbHQ$${'A'.repeat(43)}`],
  ])('that costs more than a sign-in may is refused: %s', (_name, hash) => {
    expect(readForeignHash(hash)).toEqual({ kind: 'costly' });
  });

  it('that is none, in the table, matches nothing and breaks nothing', async () => {
    expect(await matcher.matches('garbage', candidate('garbage'))).toBe(false);
  });
});

describe('bcrypt', () => {
  it('leaves the main thread free while it works', async () => {
    const hash = '$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy';
    await matcher.matches(hash, candidate('the first one starts the thread'));
    const begun = process.threadCpuUsage();
    await Promise.all([1, 2].map(() => matcher.matches(hash, candidate('something else'))));
    const { user, system } = process.threadCpuUsage(begun);
    // In the main thread it would be a quarter of a second, each time.
    expect((user + system) / 1000).toBeLessThan(100);
  });
});
