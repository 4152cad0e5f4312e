// Every verdict of the doctor, turned red by the one fact that it is about.
import { describe, expect, it } from 'vitest';
import { answerChecklist, checklist } from '../../src/doctor/checklist.ts';
import { examinations, reportOn } from '../../src/doctor/doctor.ts';
import type { Status } from '../../src/doctor/examination.ts';
import {
  type DatabaseFacts,
  type Facts,
  SCRIPT,
  SPOOFED_ADDRESS,
  type StoredFacts,
} from '../../src/doctor/facts.ts';
import { answer, daysAgo, healthy, healthyConfig, now, reflection } from './healthy.ts';

const seen = (change: Partial<Facts['public']>): Facts => ({
  ...healthy,
  public: { ...healthy.public, ...change },
});
const stored = (change: Partial<StoredFacts>): Facts => ({
  ...healthy,
  stored: { ...healthy.stored, ...change },
});
const database = (change: Partial<DatabaseFacts>): Facts => ({
  ...healthy,
  database: { ...healthy.database, ...change },
});
const SMS = {
  SMS_WEBHOOK_URL: 'https://sms.example.com/',
  SMS_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 1).toString('base64')}`,
};
const configured = (settings: Record<string, string>): Facts => ({
  ...healthy,
  config: healthyConfig(settings),
});
const carried = (change: Partial<Facts['carriers']>): Facts => ({
  ...healthy,
  carriers: { ...healthy.carriers, ...change },
});
const refusing = (reason: 'unreachable' | 'sign_in_refused' | 'tls_failed' | 'timeout') =>
  ({ kind: 'smtp', outcome: { kind: 'failed', reason, final: false } }) as const;
const away = { problem: 'it is away' };

/** For each verdict: facts, and what they turn it into. */
const red: Record<string, readonly (readonly [string, Facts, Status])[]> = {
  'issuer-reachable': [
    ['nobody answers', seen({ discovery: away }), 'failed'],
    ['something else answers', seen({ discovery: answer({ status: 502 }) }), 'failed'],
  ],
  'issuer-equal': [
    [
      'another issuer is published',
      seen({ discovery: answer({ text: '{"issuer":"https://id.example.com/"}' }) }),
      'failed',
    ],
    ['it is no metadata', seen({ discovery: answer({ text: '<html>' }) }), 'failed'],
  ],
  'proxy-trusted': [
    ['the proxy is not trusted', seen({ reflection: { ...reflection, isPeerTrusted: false } }), 'failed'],
    ['the proxy names nobody', seen({ reflection: { ...reflection, forwardedFor: null } }), 'warning'],
  ],
  'proxy-truthful': [
    [
      'a made-up address is believed',
      seen({ spoofed: { ...reflection, address: SPOOFED_ADDRESS } }),
      'failed',
    ],
  ],
  'proxy-scheme': [
    ['the scheme is http', seen({ reflection: { ...reflection, forwardedProto: 'http' } }), 'warning'],
    ['the scheme is not said', seen({ reflection: { ...reflection, forwardedProto: null } }), 'warning'],
  ],
  'client-address': [
    ['there is none', seen({ reflection: { ...reflection, address: null } }), 'failed'],
    ['it is that of the proxy', seen({ reflection: { ...reflection, address: reflection.peer } }), 'warning'],
  ],
  cookies: [
    ['none arrives', seen({ page: answer({}) }), 'failed'],
    ['Secure is lost', seen({ page: answer({ cookies: ['__Host-s=1; HttpOnly; SameSite=Lax'] }) }), 'failed'],
    ['HttpOnly is lost', seen({ page: answer({ cookies: ['__Host-s=1; Secure; SameSite=Lax'] }) }), 'failed'],
    ['SameSite is lost', seen({ page: answer({ cookies: ['__Host-s=1; Secure; HttpOnly'] }) }), 'failed'],
    [
      'the prefix is lost',
      seen({ page: answer({ cookies: ['s=1; Secure; HttpOnly; SameSite=Lax'] }) }),
      'failed',
    ],
  ],
  'tls-version': [
    ['TLS 1.1 is spoken', { ...healthy, tls: { ...healthy.tls, acceptsOld: true } }, 'failed'],
    ['TLS 1.3 is not', { ...healthy, tls: { ...healthy.tls, protocol: 'TLSv1.2' } }, 'warning'],
    [
      'there is no TLS',
      { ...configured({ ISSUER: 'http://localhost:3000', ENVIRONMENT: 'production' }), tls: null },
      'failed',
    ],
  ],
  'tls-certificate': [
    ['it has ended', { ...healthy, tls: { ...healthy.tls, validUntil: daysAgo(1) } }, 'failed'],
    ['it is not trusted', { ...healthy, tls: { ...healthy.tls, untrusted: 'SELF_SIGNED' } }, 'failed'],
    ['it ends soon', { ...healthy, tls: { ...healthy.tls, validUntil: daysAgo(-10) } }, 'warning'],
  ],
  clock: [
    ['clocks are 5 s apart', database({ now: new Date(now.getTime() + 5_000) }), 'warning'],
    ['clocks are a minute apart', database({ now: new Date(now.getTime() - 60_000) }), 'failed'],
  ],
  database: [['it is away', { ...healthy, database: away }, 'failed']],
  'database-version': [
    ['it is old', database({ versionNumber: 140_009 }), 'failed'],
    ['it is in LATIN1', database({ encoding: 'LATIN1' }), 'failed'],
  ],
  'database-privileges': [
    ['tables cannot be made', database({ canCreate: false }), 'failed'],
    ['the user is a superuser', database({ isSuperuser: true }), 'warning'],
  ],
  'database-durability': [
    ['fsync is off', database({ fsync: false }), 'failed'],
    ['synchronous_commit is off', database({ synchronousCommit: 'off' }), 'failed'],
  ],
  'database-encrypted': [['the way is in clear', database({ encrypted: false }), 'warning']],
  'database-pool': [['connections run out', database({ usedConnections: 95 }), 'warning']],
  migrations: [['one is to come', stored({ pendingMigrations: ['20270101000000_x'] }), 'warning']],
  redis: [
    ['it is away', { ...healthy, redis: away }, 'failed'],
    ['it is old', { ...healthy, redis: { version: '5.0.14', evictionPolicy: 'noeviction' } }, 'failed'],
    ['it evicts', { ...healthy, redis: { version: '8.0.1', evictionPolicy: 'allkeys-lru' } }, 'warning'],
  ],
  disk: [
    ['it is full', { ...healthy, disk: { freeBytes: 1e8, totalBytes: 1e12 } }, 'failed'],
    ['it is nearly full', { ...healthy, disk: { freeBytes: 1.5e9, totalBytes: 1e12 } }, 'warning'],
  ],
  'signing-keys': [
    ['none signs', stored({ signingKeys: [] }), 'failed'],
    ['none follows', stored({ signingKeys: healthy.stored.signingKeys.slice(0, 1) }), 'failed'],
    [
      'the one that signs is old',
      stored({
        signingKeys: healthy.stored.signingKeys.map((key) => ({
          ...key,
          activatedAt: key.activatedAt && daysAgo(120),
        })),
      }),
      'warning',
    ],
  ],
  'master-key': [['others can read it', { ...healthy, masterKeyExposed: true }, 'failed']],
  jobs: [
    ['one fails', stored({ failingJobs: ['audit-partitions'] }), 'failed'],
    ['one is late', stored({ lateJobs: ['audit-partitions'] }), 'warning'],
  ],
  'setting-environment': [
    ['it is development in public', configured({ ENVIRONMENT: 'development' }), 'warning'],
  ],
  'setting-proxies': [['everybody is trusted', configured({ TRUSTED_PROXIES: '0.0.0.0/0' }), 'warning']],
  'setting-password-length': [['it is 8', configured({ PASSWORD_MINIMUM_LENGTH: '8' }), 'warning']],
  'setting-hashing': [['it is cheap', configured({ ARGON2_MEMORY_KIB: '8192' }), 'warning']],
  'setting-lockout': [['guessing is free', configured({ LOCKOUT_FREE_ATTEMPTS: '50' }), 'warning']],
  'setting-limits': [['they are wide', configured({ LIMIT_SIGN_IN_PER_MINUTE: '1000' }), 'warning']],
  'setting-token-life': [['tokens live for a day', configured({ ACCESS_TOKEN_SECONDS: '86400' }), 'warning']],
  'setting-session-life': [
    ['sessions live for a year', configured({ SESSION_ABSOLUTE_SECONDS: '31536000' }), 'warning'],
  ],
  'setting-private-network': [['it is open', configured({ OUTGOING_PRIVATE_NETWORK: 'allow' }), 'warning']],
  'setting-sms': [
    [
      'anybody may register, and every country gets SMS',
      configured({ ...SMS, REGISTRATION: 'open' }),
      'warning',
    ],
  ],
  'setting-metrics': [
    ['everybody can read them', configured({ METRICS_PORT: '9464', METRICS_HOST: '0.0.0.0' }), 'warning'],
  ],
  'setting-log': [['it is for debugging', configured({ LOG_LEVEL: 'debug' }), 'warning']],
  'exempted-clients': [['one is exempted', stored({ exemptedClients: ['old-app'] }), 'warning']],
  administrators: [['there is none', stored({ activeAdmins: 0 }), 'failed']],
  'owner-key': [['it is the one that was printed', stored({ hasPrintedKey: true }), 'warning']],
  'second-factor': [['one of them has none', stored({ adminsWithoutFactor: 1 }), 'warning']],
  'audit-ledger': [
    ['it is empty', stored({ newestEventAt: null }), 'failed'],
    ['the next month has no room', stored({ nextMonthReady: false }), 'warning'],
  ],
  'security-headers': [['they are taken away', seen({ page: answer({}) }), 'failed']],
  'rate-limit': [['nothing is counted', seen({ malformed: answer({ status: 400 }) }), 'failed']],
  'input-validation': [['malformed input is taken', seen({ malformed: answer({ status: 500 }) }), 'failed']],
  'sql-injection': [['a quote breaks a statement', seen({ quote: answer({ status: 500 }) }), 'failed']],
  xss: [
    ['a script comes back', seen({ script: answer({ text: SCRIPT }) }), 'failed'],
    ['the policy is gone', seen({ script: answer({}) }), 'failed'],
  ],
  csrf: [['a forged form is taken', seen({ forged: answer({ status: 200 }) }), 'failed']],
  mail: [
    ['nothing carries it', carried({ mail: null }), 'warning'],
    ['the mail server is away', carried({ mail: refusing('unreachable') }), 'failed'],
    ['the password is wrong', carried({ mail: refusing('sign_in_refused') }), 'failed'],
    ['the certificate is not trusted', carried({ mail: refusing('tls_failed') }), 'failed'],
  ],
  sms: [['the webhook is away', carried({ sms: { ...refusing('timeout'), kind: 'webhook' } }), 'failed']],
  outbox: [
    ['messages wait for hours', stored({ lateMessages: 3 }), 'failed'],
    ['messages were given up', stored({ failedMessages: 2 }), 'warning'],
  ],
  permissions: [['nobody is asked', seen({ unauthorized: answer({ status: 200 }) }), 'failed']],
};

const verdictOf = (facts: Facts, id: string) => reportOn(facts).verdicts.find((verdict) => verdict.id === id);

describe('the doctor', () => {
  it('finds nothing wrong with a healthy server', () => {
    const notWell = reportOn(healthy).verdicts.filter(({ status }) => status !== 'ok');
    expect(notWell.map(({ id, status }) => [id, status])).toEqual([]);
  });

  it('has for every verdict a fact that turns it red', () => {
    expect(Object.keys(red).toSorted()).toEqual(examinations.map(({ id }) => id).toSorted());
  });

  describe.each(Object.entries(red))('%s', (id, cases) => {
    it.each(cases)('%s', (_what, facts, status) => {
      const verdict = verdictOf(facts, id);
      expect(verdict).toMatchObject({ status, remedy: expect.stringMatching(/\S{3}/) });
      expect(reportOn(facts).status).not.toBe('ok');
    });
  });

  it('says what could not be measured and does not call it well', () => {
    const blind: Facts = {
      ...healthy,
      public: Object.fromEntries(
        Object.keys(healthy.public).map((name) => [name, away]),
      ) as unknown as Facts['public'],
      tls: away,
      database: away,
      stored: away,
      redis: away,
      disk: away,
    };
    const well = reportOn(blind).verdicts.filter(({ status }) => status === 'ok');
    const known = ['mail', 'sms'];
    expect(
      well.every(({ id }) => id.startsWith('setting-') || known.includes(id) || id === 'master-key'),
    ).toBe(true);
  });
});

describe('B10: the checklist of fifteen points', () => {
  it('B10: has fifteen, each answered by examinations that there are, or openly by none', () => {
    expect(checklist).toHaveLength(15);
    const known = new Set(examinations.map(({ id }) => id));
    for (const { by, unmeasured } of checklist) {
      expect(by.filter((id) => !known.has(id))).toEqual([]);
      expect(by.length > 0 || unmeasured !== undefined).toBe(true);
    }
  });

  it('B10: answers each point with the worst verdict behind it', () => {
    const statusOf = (facts: Facts, point: number) =>
      answerChecklist(reportOn(facts).verdicts).find((one) => one.point === point)?.status;
    expect(statusOf(healthy, 3)).toBe('ok');
    expect(statusOf({ ...healthy, tls: { ...healthy.tls, acceptsOld: true } }, 3)).toBe('failed');
    expect(statusOf(seen({ forged: answer({ status: 200 }) }), 14)).toBe('failed');
    expect(statusOf(healthy, 7)).toBe('not_measured');
    expect(statusOf(healthy, 15)).toBe('not_measured');
  });
});

it.each([
  ['only some countries get SMS', { ...SMS, REGISTRATION: 'open', SMS_COUNTRIES: 'AT' }],
  ['nobody may register', SMS],
  ['no SMS are sent', { REGISTRATION: 'open' }],
])('the doctor has nothing against SMS where %s', (_what, settings) => {
  expect(verdictOf(configured(settings), 'setting-sms')?.status).toBe('ok');
});
