// Rules between settings, as a table of condition and message. A mistake stops the server; a warning is only said.
import { isLoopbackHost } from './kinds.ts';
import { type Config, LONGEST_TOKEN_SECONDS } from './schema.ts';

interface Rule {
  readonly stops: boolean;
  when(config: Config): boolean;
  readonly message: string;
}

const mistake = (when: Rule['when'], message: string): Rule => ({ stops: true, when, message });
const warning = (when: Rule['when'], message: string): Rule => ({ stops: false, when, message });

const isOnLoopback = (config: Config) => isLoopbackHost(new URL(config.issuer).hostname);
const isProduction = (config: Config) => config.environment === 'production';

export const rules: readonly Rule[] = [
  mistake(
    ({ tokens }) => tokens.refreshIdleSeconds > tokens.refreshAbsoluteSeconds,
    'REFRESH_IDLE_SECONDS is longer than REFRESH_ABSOLUTE_SECONDS: lower the first or raise the second.',
  ),
  mistake(
    ({ sessions }) => sessions.idleSeconds > sessions.absoluteSeconds,
    'SESSION_IDLE_SECONDS is longer than SESSION_ABSOLUTE_SECONDS: lower the first or raise the second.',
  ),
  mistake(
    ({ lockout }) => lockout.baseDelaySeconds > lockout.maximumDelaySeconds,
    'LOCKOUT_BASE_DELAY_SECONDS is longer than LOCKOUT_MAXIMUM_DELAY_SECONDS: lower the first or raise the second.',
  ),
  mistake(
    ({ lockout }) => lockout.freeAttempts >= lockout.maximumConsecutiveFailures,
    'LOCKOUT_FREE_ATTEMPTS must be below LOCKOUT_MAXIMUM_CONSECUTIVE_FAILURES: lower the first.',
  ),
  mistake(
    ({ apiKeys }) => apiKeys.overlapSeconds > apiKeys.maximumOverlapSeconds,
    'API_KEY_OVERLAP_SECONDS is longer than API_KEY_MAXIMUM_OVERLAP_SECONDS: lower the first or raise the second.',
  ),
  mistake(
    ({ apiKeys: { lifetimeDays, maximumLifetimeDays } }) =>
      maximumLifetimeDays > 0 && lifetimeDays > maximumLifetimeDays,
    'API_KEY_LIFETIME_DAYS is longer than API_KEY_MAXIMUM_LIFETIME_DAYS: lower the first or raise the second.',
  ),
  mistake(
    ({ passwords }) => passwords.argon2.memoryKiB < 8 * passwords.argon2.parallelism,
    'ARGON2_MEMORY_KIB must be at least 8 times ARGON2_PARALLELISM: raise it.',
  ),
  mistake(
    ({ signingKeys }) => signingKeys.retainRetiredSeconds < LONGEST_TOKEN_SECONDS + 60,
    `SIGNING_KEY_RETAIN_RETIRED_SECONDS must be ${LONGEST_TOKEN_SECONDS + 60} or more: an API or a client may let its tokens live for a day, and they must not outlive the key that verifies them. Raise it.`,
  ),
  mistake(
    ({ secrets }) => secrets.previousMasterKeys !== undefined && secrets.masterKey === undefined,
    'MASTER_KEY_PREVIOUS is set and MASTER_KEY is not: set both, or put the files into KEYS_DIRECTORY.',
  ),
  mistake(
    ({ gateway }) => gateway.forwardAuthProxies.some((network) => network.endsWith('/0')),
    'FORWARD_AUTH_PROXIES contains every address, so anybody could say where a request comes from: name your proxies only.',
  ),
  mistake(
    ({ retention }) => retention.auditDays > 0 && retention.auditDays < 31,
    'AUDIT_RETENTION_DAYS must be 31 or more, or 0 to keep the ledger for ever: raise it.',
  ),
  mistake(
    ({ http, metrics }) => metrics.port !== null && metrics.port !== 0 && metrics.port === http.port,
    'METRICS_PORT is the same as PORT: choose another one.',
  ),
  mistake(
    (config) => isProduction(config) && config.branding.logoUrl?.startsWith('http:') === true,
    'LOGO_URL must be https in production.',
  ),
  mistake(
    ({ registration }) => registration.hookUrl !== undefined && registration.hookSecret === undefined,
    'REGISTRATION_HOOK_URL is set and REGISTRATION_HOOK_SECRET is not: set it, so that the questions are signed.',
  ),
  mistake(
    ({ terms }) => (terms.version === undefined) !== (terms.url === undefined),
    'TERMS_VERSION and TERMS_URL belong together: set both or neither.',
  ),
  mistake(
    ({ messages }) => messages.smtpUrl !== undefined && messages.mailWebhookUrl !== undefined,
    'SMTP_URL and MAIL_WEBHOOK_URL are both set: mails go one way; remove one of them.',
  ),
  mistake(
    ({ messages: { mailWebhookUrl, mailWebhookSecret } }) =>
      mailWebhookUrl !== undefined && mailWebhookSecret === undefined,
    'MAIL_WEBHOOK_URL is set and MAIL_WEBHOOK_SECRET is not: set it, so that the mails are signed.',
  ),
  mistake(
    ({ messages: { smsWebhookUrl, smsWebhookSecret } }) =>
      smsWebhookUrl !== undefined && smsWebhookSecret === undefined,
    'SMS_WEBHOOK_URL is set and SMS_WEBHOOK_SECRET is not: set it, so that the messages are signed.',
  ),
  warning(
    (config) =>
      isProduction(config) && config.issuer.startsWith('https:') && config.http.trustedProxies.length === 0,
    'TRUSTED_PROXIES is empty, but ISSUER is https and this server speaks plain http: name the proxy that ends TLS, or every person seems to come from its address.',
  ),
  warning(
    ({ http }) => http.trustedProxies.some((network) => network.endsWith('/0')),
    'TRUSTED_PROXIES contains every address, so anybody can choose the address that limits and the ledger see: name your proxies only.',
  ),
  warning(
    (config) => isProduction(config) && isOnLoopback(config),
    'ENVIRONMENT is production, but ISSUER is a loopback address that nobody else can reach: set ISSUER.',
  ),
  warning(
    (config) => !isProduction(config) && config.issuer.startsWith('https:'),
    'ENVIRONMENT is development although ISSUER is https: set ENVIRONMENT=production where others rely on this server.',
  ),
  warning(
    (config) => isOnLoopback(config) && !isLoopbackHost(config.http.host),
    'HOST listens beyond this machine, but ISSUER is a loopback address: other machines cannot sign in until ISSUER is a name they can reach.',
  ),
  warning(
    ({ passwords }) => passwords.minimumLength < 15,
    'PASSWORD_MINIMUM_LENGTH is below 15, the least for a password without a second factor (NIST SP 800-63B): raise it.',
  ),
  warning(
    (config) =>
      isProduction(config) && config.passwords.argon2.memoryKiB * config.passwords.argon2.iterations < 35_000,
    'ARGON2_MEMORY_KIB and ARGON2_ITERATIONS make hashing weaker than OWASP recommends: use 19456 and 2, or more.',
  ),
  warning(
    (config) => isProduction(config) && config.log.level === 'debug',
    'LOG_LEVEL is debug in production: use info unless you are looking for something.',
  ),
  warning(
    (config) =>
      isProduction(config) &&
      config.messages.smtpUrl === undefined &&
      config.messages.mailWebhookUrl === undefined,
    'Nothing carries mail: whoever forgets a password needs an administrator, and nobody is told of a new device. Set SMTP_URL or MAIL_WEBHOOK_URL.',
  ),
  warning(
    ({ messages }) =>
      messages.smtpTls === 'if_offered' &&
      messages.smtpUrl !== undefined &&
      !isOnThisMachine(messages.smtpUrl),
    'SMTP_TLS is if_offered: whoever is on the way to the mail server can take TLS away and read codes, links and its password. Leave it out.',
  ),
];

function isOnThisMachine(url: string): boolean {
  return isLoopbackHost(new URL(url).hostname);
}
