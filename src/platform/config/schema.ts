// Every setting, once: its place in Config, environment name, kind, default, whether it is secret, and one sentence.
// .env.example and docs/configuration.md are generated from this table by `npm run generate`.
import * as kind from './kinds.ts';
import { passwordSettings } from './password-settings.ts';
import { peopleSettings } from './people-settings.ts';
import { following, optional, secret, setting, type Values } from './setting.ts';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The longest life that a setting, an API or a client may give to a token that is verified by its signature. */
export const LONGEST_TOKEN_SECONDS = DAY;

const count = (maximum: number) => kind.wholeNumber(1, maximum);
const perMinute = kind.wholeNumber(1, 10_000_000);

export const settings = {
  issuer: following(
    'ISSUER',
    kind.issuer,
    { says: 'http://localhost:PORT', value: (of) => `http://localhost:${of('PORT')}` },
    'The public origin of this server: the text that every token and client compares.',
  ),
  environment: following(
    'ENVIRONMENT',
    kind.choice('development', 'production'),
    {
      says: 'production when ISSUER is https, else development',
      value: (of) => (String(of('ISSUER')).startsWith('https:') ? 'production' : 'development'),
    },
    'Whether this is a machine of a developer or one that others rely on.',
  ),
  authMode: setting(
    'AUTH_MODE',
    kind.choice('multi_user', 'single_user'),
    'multi_user',
    'single_user makes one owner at the first start and prints a key that works at once as X-API-Key; going back keeps both.',
  ),
  http: {
    host: setting('HOST', kind.text, '127.0.0.1', 'Address to listen on; 0.0.0.0 or :: for every interface.'),
    port: setting('PORT', kind.port, 3000, 'TCP port to listen on.'),
    workers: setting('WORKERS', kind.workers, 1, 'Processes that serve at that port together.'),
    trustedProxies: setting(
      'TRUSTED_PROXIES',
      kind.networks,
      [],
      'Reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; nobody else is.',
    ),
    bodyLimitBytes: setting(
      'BODY_LIMIT_BYTES',
      kind.wholeNumber(1024, 10 * 1024 * 1024),
      64 * 1024,
      'Largest request body that is read.',
    ),
    requestTimeoutSeconds: setting('REQUEST_TIMEOUT_SECONDS', count(600), 30, 'Time for one whole request.'),
    shutdownGraceSeconds: setting(
      'SHUTDOWN_GRACE_SECONDS',
      count(600),
      10,
      'Time for running requests to finish after a stop signal.',
    ),
  },
  database: {
    url: secret(
      'DATABASE_URL',
      kind.postgresUrl,
      'Your PostgreSQL (15 or later); without it the server starts its own under DATA_DIRECTORY.',
    ),
    dataDirectory: setting(
      'DATA_DIRECTORY',
      kind.path,
      'data',
      'Where the PostgreSQL of the server keeps its files.',
    ),
    poolMax: setting(
      'DATABASE_POOL_MAX',
      kind.wholeNumber(2, 1000),
      20,
      'Most database connections of one process.',
    ),
    statementTimeoutSeconds: setting(
      'DATABASE_STATEMENT_TIMEOUT_SECONDS',
      count(3600),
      10,
      'Time after which the database ends a statement.',
    ),
  },
  redis: {
    url: secret(
      'REDIS_URL',
      kind.redisUrl,
      'Your Redis (6.2 or later), Sentinel or Cluster; without it PostgreSQL does the same work.',
    ),
    keyPrefix: setting(
      'REDIS_KEY_PREFIX',
      kind.redisKeyPrefix,
      'gatehouse:',
      'What every key and channel of this installation starts with.',
    ),
    commandTimeoutMilliseconds: setting(
      'REDIS_COMMAND_TIMEOUT_MILLISECONDS',
      kind.wholeNumber(10, 5000),
      150,
      'Longest wait for Redis; after it the request goes on without, and nobody waits again until Redis answers.',
    ),
  },
  secrets: {
    masterKey: secret(
      'MASTER_KEY',
      kind.masterKey,
      'Encrypts every other key and secret at rest; without it one is made in KEYS_DIRECTORY at first start.',
    ),
    previousMasterKeys: secret(
      'MASTER_KEY_PREVIOUS',
      kind.masterKeys,
      'Beside MASTER_KEY, while values are still under another master key: that one, or several with commas.',
    ),
    keysDirectory: setting(
      'KEYS_DIRECTORY',
      kind.path,
      'keys',
      'Where the master key lies when MASTER_KEY is not set.',
    ),
  },
  log: {
    level: setting(
      'LOG_LEVEL',
      kind.choice('debug', 'info', 'warn', 'error', 'silent'),
      'info',
      'Least level logged.',
    ),
    format: following(
      'LOG_FORMAT',
      kind.choice('json', 'text'),
      {
        says: 'json in production, else text',
        value: (of) => (of('ENVIRONMENT') === 'production' ? 'json' : 'text'),
      },
      'One JSON object per line, or lines for people.',
    ),
    requests: setting(
      'LOG_REQUESTS',
      kind.choice('all', 'errors', 'slow', 'none'),
      'all',
      'Which answered requests get a line: all, only what was refused or failed or took a second, all that but what was merely refused, or none.',
    ),
  },
  tokens: {
    accessTokenSeconds: setting(
      'ACCESS_TOKEN_SECONDS',
      kind.wholeNumber(30, LONGEST_TOKEN_SECONDS),
      10 * MINUTE,
      'Life of an access token; an API or client may set its own.',
    ),
    idTokenSeconds: setting(
      'ID_TOKEN_SECONDS',
      kind.wholeNumber(30, LONGEST_TOKEN_SECONDS),
      HOUR,
      'Life of an ID token.',
    ),
    refreshIdleSeconds: setting(
      'REFRESH_IDLE_SECONDS',
      kind.wholeNumber(MINUTE, 365 * DAY),
      7 * DAY,
      'Time after which an unused refresh token ends.',
    ),
    refreshAbsoluteSeconds: setting(
      'REFRESH_ABSOLUTE_SECONDS',
      kind.wholeNumber(MINUTE, 2 * 365 * DAY),
      30 * DAY,
      'Time after which a refresh token ends however often it was used.',
    ),
    refreshGraceSeconds: setting(
      'REFRESH_GRACE_SECONDS',
      kind.wholeNumber(0, MINUTE),
      10,
      'After a rotation, time in which a second use of the old refresh token is refused but ends nothing else.',
    ),
    // RFC 6749 §4.1.2 recommends ten minutes at most.
    codeSeconds: setting('CODE_SECONDS', kind.wholeNumber(5, 600), MINUTE, 'Life of an authorization code.'),
    deviceCodeSeconds: setting(
      'DEVICE_CODE_SECONDS',
      kind.wholeNumber(60, 1800),
      600,
      'Life of a device code.',
    ),
    interactionSeconds: setting(
      'INTERACTION_SECONDS',
      kind.wholeNumber(5 * MINUTE, DAY),
      HOUR,
      'Time for a person to finish signing in.',
    ),
  },
  sessions: {
    idleSeconds: setting(
      'SESSION_IDLE_SECONDS',
      kind.wholeNumber(MINUTE, 365 * DAY),
      DAY,
      'Time after which an unused sign-in session ends.',
    ),
    absoluteSeconds: setting(
      'SESSION_ABSOLUTE_SECONDS',
      kind.wholeNumber(MINUTE, 365 * DAY),
      7 * DAY,
      'Time after which a sign-in session ends however much it is used.',
    ),
  },
  signingKeys: {
    rotateAfterDays: setting(
      'SIGNING_KEY_ROTATE_AFTER_DAYS',
      count(730),
      90,
      'Age at which a signing key is replaced.',
    ),
    publishDelaySeconds: setting(
      'SIGNING_KEY_PUBLISH_DELAY_SECONDS',
      kind.wholeNumber(0, 7 * DAY),
      5 * MINUTE,
      'Time for which the next key is published before it signs, so that verifiers know it.',
    ),
    retainRetiredSeconds: setting(
      'SIGNING_KEY_RETAIN_RETIRED_SECONDS',
      kind.wholeNumber(MINUTE, 365 * DAY),
      7 * DAY,
      'Time for which a retired key stays published for tokens it has signed; 86460 at least.',
    ),
  },
  passwords: passwordSettings,
  retention: {
    auditDays: setting(
      'AUDIT_RETENTION_DAYS',
      kind.wholeNumber(0, 36_500),
      400,
      'Days for which the ledger keeps its events, in whole months, 31 at least; 0 keeps them for ever.',
    ),
    refusalDays: setting(
      'REFUSAL_RETENTION_DAYS',
      count(3650),
      30,
      'Days for which the counts of refused strangers are kept.',
    ),
    budgetDays: setting(
      'BUDGET_RETENTION_DAYS',
      count(36_500),
      400,
      'Days for which the windows of budgets are kept after their end, and the entries of each amount.',
    ),
    usageDays: setting(
      'USAGE_RETENTION_DAYS',
      count(36_500),
      400,
      'Days for which the hourly counts of usage are kept.',
    ),
  },
  ...peopleSettings,
  lockout: {
    freeAttempts: setting(
      'LOCKOUT_FREE_ATTEMPTS',
      count(100),
      5,
      'Failed sign-ins to one account from one address without a delay.',
    ),
    accountFreeAttempts: setting(
      'LOCKOUT_ACCOUNT_FREE_ATTEMPTS',
      count(1000),
      20,
      'Failed sign-ins to one account from anywhere without a delay.',
    ),
    addressFreeAttempts: setting(
      'LOCKOUT_ADDRESS_FREE_ATTEMPTS',
      // The delays after every number of failures travel with each attempt, so the numbers stay small.
      count(1000),
      50,
      'Failed sign-ins from one address, to any accounts, without a delay.',
    ),
    baseDelaySeconds: setting(
      'LOCKOUT_BASE_DELAY_SECONDS',
      count(HOUR),
      5,
      'First delay; it doubles with each failure.',
    ),
    maximumDelaySeconds: setting('LOCKOUT_MAXIMUM_DELAY_SECONDS', count(DAY), HOUR, 'Longest delay.'),
    // NIST SP 800-63B §3.2.2: no more than 100 consecutive failed attempts on one authenticator.
    maximumConsecutiveFailures: setting(
      'LOCKOUT_MAXIMUM_CONSECUTIVE_FAILURES',
      count(100),
      100,
      'Failures in a row after which an account waits for an administrator.',
    ),
  },
  apiKeys: {
    lifetimeDays: setting(
      'API_KEY_LIFETIME_DAYS',
      kind.wholeNumber(0, 36_500),
      365,
      'Life of an API key that is made without an end; 0: as long as API_KEY_MAXIMUM_LIFETIME_DAYS allows.',
    ),
    maximumLifetimeDays: setting(
      'API_KEY_MAXIMUM_LIFETIME_DAYS',
      kind.wholeNumber(0, 36_500),
      730,
      'Longest life of an API key; 0: keys may be without an end.',
    ),
    overlapSeconds: setting(
      'API_KEY_OVERLAP_SECONDS',
      kind.wholeNumber(0, 365 * DAY),
      DAY,
      'Time for which the secrets of an API key work on after it got a new one.',
    ),
    maximumOverlapSeconds: setting(
      'API_KEY_MAXIMUM_OVERLAP_SECONDS',
      kind.wholeNumber(0, 365 * DAY),
      30 * DAY,
      'Longest such time that a rotation may ask for.',
    ),
    subKeyDepth: setting(
      'API_KEY_SUB_KEY_DEPTH',
      kind.wholeNumber(0, 10),
      3,
      'Levels of sub-keys below an API key; 0: none are made.',
    ),
    subKeyCount: setting(
      'API_KEY_SUB_KEY_COUNT',
      kind.wholeNumber(0, 100_000),
      100,
      'Working sub-keys right below one API key.',
    ),
    retentionDays: setting(
      'API_KEY_RETENTION_DAYS',
      count(3650),
      90,
      'Days for which a revoked or expired API key is still shown.',
    ),
  },
  limits: {
    page: setting('LIMIT_PAGE_PER_MINUTE', perMinute, 300, 'Pages opened by one address.'),
    registration: setting(
      'LIMIT_REGISTRATION_PER_MINUTE',
      perMinute,
      10,
      'Sign-up forms sent by one address that make the server send a mail.',
    ),
    'sign-in': setting('LIMIT_SIGN_IN_PER_MINUTE', perMinute, 30, 'Sign-in forms sent by one address.'),
    recovery: setting(
      'LIMIT_RECOVERY_PER_MINUTE',
      perMinute,
      10,
      'Mails to get back into an account, or to sign in by a code, that one address asks for.',
    ),
    token: setting(
      'LIMIT_TOKEN_PER_MINUTE',
      perMinute,
      6000,
      'Requests of one address to the token, pushed-request, revocation and userinfo endpoints. Clients and keys with limits of their own have those instead when they ask for tokens.',
    ),
    introspection: setting(
      'LIMIT_INTROSPECTION_PER_MINUTE',
      perMinute,
      60_000,
      'Introspections asked for by one address.',
    ),
    device: setting(
      'LIMIT_DEVICE_PER_MINUTE',
      perMinute,
      30,
      'Device codes asked for or typed by one address.',
    ),
    'api-credential': setting(
      'LIMIT_API_CREDENTIAL_PER_MINUTE',
      perMinute,
      600,
      'API keys and tokens from one address that were not recognised within the last minutes.',
    ),
    verify: setting(
      'LIMIT_VERIFY_PER_MINUTE',
      perMinute,
      1_200_000,
      'Keys and tokens that one caller asks about.',
    ),
    decision: setting(
      'LIMIT_DECISION_PER_MINUTE',
      perMinute,
      60_000,
      'Requests of one caller for decisions and searches (AuthZEN).',
    ),
    budget: setting(
      'LIMIT_BUDGET_PER_MINUTE',
      perMinute,
      600_000,
      'Reservations that one caller makes, settles or releases.',
    ),
    'leak-report': setting(
      'LIMIT_LEAK_REPORT_PER_MINUTE',
      perMinute,
      60,
      'Leak reports from one address, signed or not.',
    ),
    'admin-read': setting(
      'LIMIT_ADMIN_READ_PER_MINUTE',
      perMinute,
      600,
      'Reads of the management API by one caller.',
    ),
    'admin-write': setting(
      'LIMIT_ADMIN_WRITE_PER_MINUTE',
      perMinute,
      120,
      'Changes by one caller of that API.',
    ),
    setup: setting('LIMIT_SETUP_PER_MINUTE', perMinute, 10, 'Tries of the set-up link by one address.'),
  },
  leakReports: {
    keysUrl: optional(
      'LEAK_REPORT_KEYS_URL',
      kind.httpUrl,
      'Where those who report leaked keys publish what they sign with, such as https://api.github.com/meta/public_keys/secret_scanning; without it and LEAK_REPORT_KEYS nobody may report.',
    ),
    keys: setting(
      'LEAK_REPORT_KEYS',
      kind.publicKeys,
      [],
      'Such keys by hand: the id, =, and the public key in base64 (SPKI, P-256), as between the lines of its PEM file.',
    ),
    onReport: setting(
      'LEAK_REPORT_ACTION',
      kind.choice('revoke', 'record'),
      'revoke',
      'What happens to a key that is reported: it ends with all below it, or the ledger just has it.',
    ),
  },
  gateway: {
    forwardAuthProxies: setting(
      'FORWARD_AUTH_PROXIES',
      kind.networks,
      [],
      'Proxies that may ask at /forward-auth, by the address they connect from, and whose X-Forwarded-For is believed there.',
    ),
    forwardAuthSecret: secret(
      'FORWARD_AUTH_SECRET',
      kind.secretText,
      'What a proxy sends as X-Forward-Auth-Secret instead, when its address is not known; without either nobody may ask.',
    ),
  },
  branding: {
    productName: setting('PRODUCT_NAME', kind.text, 'Gatehouse', 'Name shown on every page.'),
    accentColor: setting('ACCENT_COLOR', kind.colour, '#1f6f5c', 'Colour of buttons and links.'),
    logoUrl: optional('LOGO_URL', kind.imageUrl, 'Logo shown above every form.'),
    viewsDirectory: optional(
      'VIEWS_DIRECTORY',
      kind.path,
      'Folder whose files replace the shipped views of the same name.',
    ),
  },
  outgoing: {
    privateNetwork: following(
      'OUTGOING_PRIVATE_NETWORK',
      kind.choice('refuse', 'allow'),
      {
        says: 'allow in development, else refuse',
        value: (of) => (of('ENVIRONMENT') === 'development' ? 'allow' : 'refuse'),
      },
      'Whether addresses of the private network are called for what clients registered: key sets, sign-out notices.',
    ),
  },
  metrics: {
    host: setting('METRICS_HOST', kind.text, '127.0.0.1', 'Address of the listener for /metrics.'),
    port: following(
      'METRICS_PORT',
      kind.port as kind.Kind<number | null>,
      { says: '', value: () => null },
      'Port of the listener for /metrics; without it there is none.',
    ),
  },
  tracing: {
    // The names that every program with OpenTelemetry has.
    endpoint: optional(
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      kind.httpUrl,
      'Base address of an OTLP receiver, such as http://localhost:4318; without it there are no traces.',
    ),
    headers: secret(
      'OTEL_EXPORTER_OTLP_HEADERS',
      kind.text,
      'Headers for that receiver, as name=value,name=value.',
    ),
    serviceName: setting('OTEL_SERVICE_NAME', kind.text, 'gatehouse', 'The name of this server in traces.'),
    sampleRatio: setting(
      'OTEL_TRACES_SAMPLER_ARG',
      kind.share,
      1,
      'Share of the traces begun here that is kept; a trusted proxy that sends a traceparent decides for its own.',
    ),
  },
};

/** The settings as the server sees them: frozen, in sections, units in the names. */
export type Config = Values<typeof settings>;
