// What may never reach a log: found by the name of a field and by the look of a text, at any depth.

const REDACTED = '[redacted]';
const MAX_DEPTH = 8;
const MAX_ITEMS = 100;
const MAX_TEXT = 8192;

// Compared without case, dashes and underscores, so that `clientSecret`, `client_secret` and `Client-Secret` are one.
const SECRET_KEYS =
  `password passphrase secret token code authorization proxyauthorization cookie cookies setcookie clientsecret
  refreshtoken accesstoken idtoken idtokenhint codeverifier devicecode usercode clientassertion assertion requesturi
  state nonce dpop csrf jwt apikey privatekey privatejwk masterkey datakey credentials registrationaccesstoken
  logouttoken loginhint hash passwordhash salt rawbody body`.split(/\s+/);
const SECRET_ENDINGS = ['password', 'secret', 'token', 'cookie', 'passphrase', 'privatekey', 'apikey'];

// Each pattern is linear: no nested quantifier over overlapping sets.
const PATTERNS: readonly [RegExp, string][] = [
  // JWS and JWE in compact form.
  [/(?<![\w-])eyJ[\w-]{4,}(?:\.[\w-]*){1,4}/g, '[jwt]'],
  [/\b(Bearer|DPoP|Basic)(\s+)[\w.~+/=-]{8,}/gi, `$1$2${REDACTED}`],
  // Credentials in a URL: postgres://user:password@host
  [/\b([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/?#"'<>]*@/gi, `$1${REDACTED}@`],
  // RFC 9126: whoever knows the request_uri can use the pushed request.
  [/(urn:ietf:params:oauth:request_uri:)[\w.~-]+/gi, `$1${REDACTED}`],
  // Every value of a query or fragment; the names stay.
  [/([?&#][\w.~%[\]-]{1,64}=)[^&#\s"'<>]*/g, `$1${REDACTED}`],
  // Forms and JSON that ended up in a text.
  [
    /("?\b[\w-]{0,32}(?:password|passphrase|secret|token|verifier|assertion|cookie)"?\s{0,2}[=:]\s{0,2})(?:"[^"]*"|[^\s&,;"'})]+)/gi,
    `$1${REDACTED}`,
  ],
  [
    /("?\b(?:code|device_code|user_code|state|nonce)"?(?:=|":\s{0,2}))(?:"[^"]*"|[^\s&,;"'})]+)/gi,
    `$1${REDACTED}`,
  ],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*-----)?/g, '[private key]'],
];

// What every pattern above and the one below needs to find anything: most texts have none of it.
const SUSPECT =
  /[=@"]|eyJ|bearer|dpop|basic|request_uri|-----|password|passphrase|secret|token|verifier|assertion|cookie|[\w-]{40}/i;

// Opaque tokens, codes and secrets of ours are 40 or more base64url characters. Lower-case hashes and ids are not.
const OPAQUE = /[\w-]{40,}/g;

function opaqueToMark(run: string): string {
  return /[A-Z]/.test(run) && /[a-z]/.test(run) && /[0-9]/.test(run) ? REDACTED : run;
}

/** The text without anything that looks like a credential, and not longer than a log line should be. */
export function redactText(text: string): string {
  let safe = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  if (safe.length < 8 || !SUSPECT.test(safe)) return safe;
  for (const [pattern, replacement] of PATTERNS) safe = safe.replace(pattern, replacement);
  return safe.length < 40 ? safe : safe.replace(OPAQUE, opaqueToMark);
}

const SECRET_KEY = new RegExp(`^(?:${SECRET_KEYS.join('|')})$|(?:${SECRET_ENDINGS.join('|')})$`, 'i');

function isSecretKey(key: string): boolean {
  return SECRET_KEY.test(/[-_.]/.test(key) ? key.replaceAll(/[-_.]/g, '') : key);
}

/** A copy that is safe to log: secret fields masked, texts cleaned, errors serialised, foreign objects only named. */
export function redact(value: unknown, depth = 0, seen: readonly object[] = []): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH || seen.includes(value)) return '[…]';
  return redactObject(value, depth, [...seen, value]);
}

function redactObject(value: object, depth: number, seen: readonly object[]): unknown {
  if (value instanceof Error) return redactError(value, depth, seen);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  if (value instanceof URL) return redactText(value.href);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) {
    return value.slice(0, MAX_ITEMS).map((item) => redact(item, depth + 1, seen));
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  // Requests, sockets, keys, clients of libraries: naming them is enough, walking them leaks.
  if (prototype !== null && prototype !== Object.prototype) return `[${value.constructor?.name ?? 'object'}]`;
  const safe: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value).slice(0, MAX_ITEMS)) {
    safe[redactText(key)] = isSecretKey(key) && isMaskable(item) ? REDACTED : redact(item, depth + 1, seen);
  }
  return safe;
}

function isMaskable(item: unknown): boolean {
  return item !== null && item !== undefined && typeof item !== 'boolean';
}

// The fields of an error that explain it. `detail`, `where` and `hint` of PostgreSQL carry row values: never listed here.
const ERROR_FIELDS = `errno syscall address port status statusCode error error_description error_detail
  constraint table column schema routine severity details`.split(/\s+/);

function redactError(error: Error, depth: number, seen: readonly object[]): unknown {
  const message = redactText(safeMessage(error));
  const frames = /\n\s+at [\s\S]*$/.exec(error.stack ?? '')?.[0] ?? '';
  const safe: Record<string, unknown> = {
    type: redactText(error.name),
    message,
    stack: `${redactText(error.name)}: ${message}${redactText(frames)}`,
  };
  const fields = error as unknown as Record<string, unknown>; // reading whatever a library hung on its error
  if (isErrorCode(fields.code)) safe.code = fields.code;
  for (const name of ERROR_FIELDS) {
    if (fields[name] !== undefined) safe[name] = redact(fields[name], depth + 1, seen);
  }
  if (error.cause !== undefined) safe.cause = redact(error.cause, depth + 1, seen);
  if (error instanceof AggregateError) safe.errors = redact(error.errors, depth + 1, seen);
  return safe;
}

/** `ECONNREFUSED`, `23505`, `account_not_found`: a word. A code that was really a secret has another look. */
function isErrorCode(code: unknown): code is string {
  return typeof code === 'string' && /^(?:[A-Z][A-Z0-9_]{1,40}|[0-9A-Z]{5}|[a-z]+(?:_[a-z]+)*)$/.test(code);
}

/**
 * knex puts the statement, with its values filled in, before the message of PostgreSQL, and PostgreSQL quotes the
 * offending value in data exceptions (class 22). Both are dropped.
 */
function safeMessage(error: Error): string {
  const { severity, code } = error as unknown as { severity?: unknown; code?: unknown }; // set by pg, absent elsewhere
  if (typeof severity !== 'string' || typeof code !== 'string') return error.message;
  const own = error.message.slice(error.message.lastIndexOf(' - ') + 1).replace(/^- /, '');
  return code.startsWith('22') ? own.replaceAll(/"[^"]*"?/g, '"…"') : own;
}
