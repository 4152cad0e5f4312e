// Examinations of settings and of what is registered: what is weaker than it should be, and which clients are exempted.
import { addressRanges } from '../lib/ip.ts';
import type { Config } from '../platform/config/schema.ts';
import { isProblem } from '../platform/inspect/problem.ts';
import { type Examination, failed, notMeasured, ok, warning } from './examination.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;

interface WeakSetting {
  readonly id: string;
  readonly title: string;
  /** Whether it is weak with these settings. */
  readonly when: (config: Config) => boolean;
  readonly finding: string;
  readonly remedy: string;
}

const inProduction = ({ environment }: Config) => environment === 'production';

const weakSettings: readonly WeakSetting[] = [
  {
    id: 'setting-environment',
    title: 'The environment is said to be production where it is',
    when: (config) => !inProduction(config) && !isLoopback(config.issuer),
    finding: 'ENVIRONMENT is development, and ISSUER is an address that others can reach.',
    remedy: 'Set ENVIRONMENT=production.',
  },
  {
    id: 'setting-proxies',
    title: 'Only proxies are trusted',
    when: ({ http }) =>
      http.trustedProxies.some((network) => addressRanges([network]).includes('203.0.113.77')),
    finding: 'TRUSTED_PROXIES holds addresses of the whole internet.',
    remedy: 'Name the addresses of your proxies and no others.',
  },
  {
    id: 'setting-password-length',
    title: 'Passwords are long enough',
    when: ({ passwords }) => passwords.minimumLength < 15,
    finding: 'PASSWORD_MINIMUM_LENGTH is below 15, the least for a password that stands alone.',
    remedy: 'Set PASSWORD_MINIMUM_LENGTH=15 (NIST SP 800-63B §3.1.1.2).',
  },
  {
    id: 'setting-hashing',
    title: 'Passwords are hashed at the recommended cost',
    when: ({ passwords: { argon2 } }) => argon2.memoryKiB * argon2.iterations < 19_456 * 2,
    finding: 'ARGON2_MEMORY_KIB and ARGON2_ITERATIONS are below m=19456, t=2.',
    remedy: 'Remove both settings; passwords are hashed anew when their owners sign in.',
  },
  {
    id: 'setting-lockout',
    title: 'Guessing is slowed down',
    when: ({ lockout }) => lockout.freeAttempts > 20 || lockout.maximumDelaySeconds < 60,
    finding: 'LOCKOUT_FREE_ATTEMPTS is over 20, or LOCKOUT_MAXIMUM_DELAY_SECONDS under 60.',
    remedy: 'Remove both settings.',
  },
  {
    id: 'setting-limits',
    title: 'Sign-ins of one address are limited',
    when: ({ limits }) => limits['sign-in'] > 600,
    finding: 'LIMIT_SIGN_IN_PER_MINUTE is over 600.',
    remedy: 'Lower it: 30 is enough for an office behind one address.',
  },
  {
    id: 'setting-token-life',
    title: 'Access tokens are short-lived',
    when: ({ tokens }) => tokens.accessTokenSeconds > HOUR || tokens.refreshAbsoluteSeconds > 90 * DAY,
    finding: 'ACCESS_TOKEN_SECONDS is over an hour, or REFRESH_ABSOLUTE_SECONDS over 90 days.',
    remedy: 'Lower them: whoever verifies by signature does not hear that a token was revoked.',
  },
  {
    id: 'setting-session-life',
    title: 'Sessions end',
    when: ({ sessions }) => sessions.idleSeconds > 30 * DAY || sessions.absoluteSeconds > 90 * DAY,
    finding: 'SESSION_IDLE_SECONDS is over 30 days, or SESSION_ABSOLUTE_SECONDS over 90.',
    remedy: 'Lower them.',
  },
  {
    id: 'setting-private-network',
    title: 'Clients cannot make the server call the private network',
    when: (config) => inProduction(config) && config.outgoing.privateNetwork === 'allow',
    finding: 'OUTGOING_PRIVATE_NETWORK is allow.',
    remedy:
      'Remove it, unless clients inside your network need sign-out notices and you register every client yourself.',
  },
  {
    id: 'setting-sms',
    title: 'Strangers cannot have text messages sent to every country',
    when: ({ messages, registration, factors }) =>
      messages.smsWebhookUrl !== undefined &&
      registration.mode === 'open' &&
      factors.smsCountries.length === 0,
    finding:
      'Anybody may make an account, SMS are sent, and SMS_COUNTRIES is empty: expensive numbers can be called at your cost.',
    remedy: 'Set SMS_COUNTRIES to the countries that your people live in.',
  },
  {
    id: 'setting-metrics',
    title: 'Metrics are not for everybody',
    when: ({ metrics }) => metrics.port !== null && !isPrivateHost(metrics.host),
    finding: 'METRICS_HOST is an address that the internet can reach.',
    remedy: 'Set METRICS_HOST to a loopback or private address.',
  },
  {
    id: 'setting-log',
    title: 'The log is not for debugging',
    when: (config) => inProduction(config) && config.log.level === 'debug',
    finding: 'LOG_LEVEL is debug: it names addresses and accounts in every line, and costs speed.',
    remedy: 'Set LOG_LEVEL=info.',
  },
];

export const settingExaminations: readonly Examination[] = [
  ...weakSettings.map(({ id, title, when, finding, remedy }) => ({
    id,
    title,
    judge: ({ config }: { config: Config }) => (when(config) ? warning(finding, remedy) : ok('It is.')),
  })),
  {
    id: 'exempted-clients',
    title: 'Every client uses PKCE',
    judge({ stored }) {
      if (isProblem(stored)) return notMeasured(`It could not be read: ${stored.problem}.`);
      if (stored.exemptedClients.length === 0) return ok('No client is exempted.');
      return warning(
        `Exempted: ${stored.exemptedClients.join(', ')}.`,
        'Ask their makers for PKCE, then `gatehouse client update ID --pkce-exempt no`.',
      );
    },
  },
  {
    id: 'administrators',
    title: 'There is somebody who administers',
    judge({ stored }) {
      if (isProblem(stored)) return notMeasured(`It could not be read: ${stored.problem}.`);
      if (stored.activeAdmins > 0) return ok(`${stored.activeAdmins} active.`);
      return failed(
        'There is no active administrator.',
        'Open the link that the server prints at its start, or run `gatehouse init`.',
      );
    },
  },
  {
    id: 'owner-key',
    title: 'The key of the owner is in no log',
    judge({ config, stored }) {
      if (isProblem(stored)) return notMeasured(`It could not be read: ${stored.problem}.`);
      if (!stored.hasPrintedKey) return ok('No key in use was printed by a start.');
      if (!inProduction(config)) return ok('The first start printed it; this is not production.');
      return warning(
        'It is the one that the first start printed, and the log of a container or of systemd keeps what is printed.',
        'Run `gatehouse owner-key renew`.',
      );
    },
  },
  {
    id: 'second-factor',
    title: 'Administrators have a second factor',
    judge({ stored }) {
      if (isProblem(stored)) return notMeasured(`It could not be read: ${stored.problem}.`);
      const { adminsWithoutFactor: count } = stored;
      if (count === 0) return ok('Every administrator who signs in by a password has one.');
      return warning(
        `${count} of them ${count === 1 ? 'has' : 'have'} none yet: whoever knows the password sets one up at the next sign-in.`,
        'Have them sign in once, now.',
      );
    },
  },
  {
    id: 'audit-ledger',
    title: 'The ledger is written',
    judge({ stored, now }) {
      if (isProblem(stored)) return notMeasured(`It could not be read: ${stored.problem}.`);
      if (!stored.nextMonthReady) {
        return warning(
          'The ledger has no room made for the next month.',
          'Run `gatehouse job run audit-partitions`.',
        );
      }
      if (stored.newestEventAt === null)
        return failed('It is empty, although a server has run.', 'Restore it from a backup.');
      const hours = Math.floor((now.getTime() - stored.newestEventAt.getTime()) / HOUR / 1000);
      return ok(`Its last event is ${hours} hours old.`);
    },
  },
];

function isLoopback(issuer: string): boolean {
  const { hostname } = new URL(issuer);
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    hostname.startsWith('127.')
  );
}

const PRIVATE = addressRanges([
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1/128',
  'fc00::/7',
]);

/** Every interface is not private: that is for those who have a firewall, and they are told as well. */
const isPrivateHost = (host: string) => host === 'localhost' || PRIVATE.includes(host);
