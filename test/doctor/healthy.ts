// Facts of a server on which everything is well; a test changes one of them.
import type { Facts, PublicFacts } from '../../src/doctor/facts.ts';
import type { PublicAnswer } from '../../src/platform/inspect/public-address.ts';
import { testConfig } from '../support/gatehouse.ts';

export const now = new Date('2026-11-22T12:00:00Z');
export const daysAgo = (days: number) => new Date(now.getTime() - days * 86_400_000);

export const answer = (
  change: Partial<Omit<PublicAnswer, 'headers'>> & { headers?: Record<string, string> },
) => ({
  status: 200,
  cookies: [],
  text: '',
  ...change,
  headers: new Headers(change.headers),
});

const pageHeaders = {
  'content-security-policy': "default-src 'none'; script-src 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'strict-transport-security': 'max-age=31536000',
};

export const reflection = {
  peer: '10.0.0.2',
  isPeerTrusted: true,
  address: '198.51.100.7',
  forwardedFor: '198.51.100.7',
  forwardedProto: 'https',
  host: 'id.example.com',
};

export const healthyConfig = (settings: Record<string, string> = {}) =>
  testConfig({
    ISSUER: 'https://id.example.com',
    TRUSTED_PROXIES: '10.0.0.2',
    DATABASE_URL: 'postgres://gatehouse@db.example.com/gatehouse',
    REDIS_URL: 'redis://redis.example.com',
    ARGON2_MEMORY_KIB: '19456',
    ARGON2_ITERATIONS: '2',
    LIMIT_SIGN_IN_PER_MINUTE: '30',
    ...settings,
  });

const publicFacts: PublicFacts = {
  discovery: answer({ text: '{"issuer":"https://id.example.com"}' }),
  keys: answer({}),
  page: answer({ headers: pageHeaders, cookies: ['__Host-s=1; Path=/; HttpOnly; SameSite=Lax; Secure'] }),
  reflection,
  spoofed: reflection,
  malformed: answer({
    status: 400,
    text: '{"error":"invalid_request"}',
    headers: { ratelimit: '"token";r=9;t=1' },
  }),
  quote: answer({ status: 400 }),
  script: answer({ status: 400, headers: pageHeaders, text: '&lt;script&gt;' }),
  forged: answer({ status: 403 }),
  unauthorized: answer({ status: 401 }),
};

export const healthy = {
  config: healthyConfig(),
  now,
  public: publicFacts,
  tls: { protocol: 'TLSv1.3', acceptsOld: false, validUntil: daysAgo(-60), untrusted: null },
  database: {
    version: '18.1',
    versionNumber: 180_001,
    isSuperuser: false,
    canCreate: true,
    maximumConnections: 100,
    usedConnections: 10,
    encoding: 'UTF8',
    fsync: true,
    synchronousCommit: 'on',
    encrypted: true,
    now,
    measuredAt: now,
  },
  stored: {
    pendingMigrations: [],
    signingKeys: [
      { algorithm: 'ES256', state: 'current', createdAt: daysAgo(30), activatedAt: daysAgo(20) },
      { algorithm: 'ES256', state: 'next', createdAt: daysAgo(20), activatedAt: null },
    ],
    exemptedClients: [],
    activeAdmins: 1,
    adminsWithoutFactor: 0,
    hasPrintedKey: false,
    newestEventAt: now,
    nextMonthReady: true,
    failingJobs: [],
    lateJobs: [],
    failedMessages: 0,
    lateMessages: 0,
  },
  redis: { version: '8.0.1', evictionPolicy: 'noeviction' },
  disk: { freeBytes: 50 * 1024 ** 3, totalBytes: 100 * 1024 ** 3 },
  carriers: { mail: { kind: 'smtp', outcome: { kind: 'sent' } }, sms: null },
  masterKeyExposed: false,
} satisfies Facts;
