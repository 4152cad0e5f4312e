// Settings: where they come from, what is refused and what is said about it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeConfig } from '../../src/platform/config/describe.ts';
import { ConfigMistakes, loadConfig, readConfig } from '../../src/platform/config/load.ts';
import { settings } from '../../src/platform/config/schema.ts';
import { allSettings } from '../../src/platform/config/setting.ts';
import { useFolders } from '../support/folder.ts';

const newFolder = useFolders();

const KEY = Buffer.alloc(32, 7).toString('base64');
const OTHER_KEY = Buffer.alloc(32, 8).toString('base64');

function read(environment: Record<string, string>, files: Record<string, string> = {}) {
  const directory = newFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return readConfig({ environment, directory });
}

const mistakes = (environment: Record<string, string>, files = {}) => read(environment, files).mistakes;
const warnings = (environment: Record<string, string>, files = {}) => read(environment, files).warnings;

describe('sources', () => {
  it("C18 takes settings from the environment, a file and the project's config file", () => {
    const { config, origins } = read(
      { PORT: '4000', MASTER_KEY_FILE: 'key.txt' },
      {
        'key.txt': `${KEY}\n`,
        '.env': 'PORT=4001\nHOST=127.0.0.2\n',
        'gatehouse.toml':
          "port = 4002\nhost = '127.0.0.3'\nproduct_name = 'Acme'\ntrusted_proxies = ['10.0.0.1']\n",
      },
    );
    expect(config?.http.port).toBe(4000);
    expect(config?.secrets.masterKey).toBe(KEY);
    expect(config?.http.host).toBe('127.0.0.2');
    expect(config?.branding.productName).toBe('Acme');
    expect(config?.http.trustedProxies).toEqual(['10.0.0.1']);
    expect(config?.tokens.accessTokenSeconds).toBe(600);
    expect(Object.fromEntries(origins)).toEqual({
      PORT: 'environment',
      MASTER_KEY: 'key.txt',
      HOST: '.env',
      PRODUCT_NAME: 'gatehouse.toml',
      TRUSTED_PROXIES: 'gatehouse.toml',
    });
  });

  it('reads the config file that GATEHOUSE_CONFIG names', () => {
    expect(read({ GATEHOUSE_CONFIG: 'other.toml' }, { 'other.toml': 'port = 5000' }).config?.http.port).toBe(
      5000,
    );
    expect(mistakes({ GATEHOUSE_CONFIG: 'absent.toml' })).toEqual([
      'GATEHOUSE_CONFIG: "absent.toml" cannot be read: check the path and its permissions.',
    ]);
  });

  it('takes an empty value as not set', () => {
    expect(read({ PORT: '', HOST: ' ' }, { '.env': 'HOST=\n' }).config?.http).toMatchObject({
      port: 3000,
      host: '127.0.0.1',
    });
  });

  it('prefers the value over the file of the same secret and warns', () => {
    const reading = read({ MASTER_KEY: KEY, MASTER_KEY_FILE: 'key.txt' }, { 'key.txt': OTHER_KEY });
    expect(reading.config?.secrets.masterKey).toBe(KEY);
    expect(reading.warnings).toEqual([
      'MASTER_KEY and MASTER_KEY_FILE are both set; MASTER_KEY is used: remove one of them.',
    ]);
  });

  it('reads no file when there is no directory, and ignores unknown names in the environment', () => {
    expect(readConfig({ environment: { GATEHOUSE_ANYTHING: 'x' }, directory: undefined })).toMatchObject({
      mistakes: [],
      warnings: [],
    });
  });

  it('gives a frozen result', () => {
    const config = loadConfig({ environment: {}, directory: undefined });
    for (const part of [config, config.http, config.passwords.argon2, config.http.trustedProxies]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });
});

describe('defaults that follow another setting', () => {
  it('follows PORT with ISSUER, and ISSUER with ENVIRONMENT and LOG_FORMAT', () => {
    expect(read({ PORT: '4000' }).config).toMatchObject({
      issuer: 'http://localhost:4000',
      environment: 'development',
      log: { format: 'text' },
    });
    expect(read({ ISSUER: 'https://id.example.com' }).config).toMatchObject({
      environment: 'production',
      log: { format: 'json' },
    });
  });
});

describe('mistakes in one value', () => {
  it.each([
    ['PORT', 'x', 'PORT "x" must be a whole number from 0 to 65535.'],
    ['PORT', '65536', 'PORT "65536" must be a whole number from 0 to 65535.'],
    ['ENVIRONMENT', 'prod', 'ENVIRONMENT "prod" must be one of: development, production.'],
    ['ISSUER', 'id.example.com', 'ISSUER "id.example.com" must be a URL such as https://id.example.com.'],
    ['ISSUER', 'https://x.example/', 'ISSUER "https://x.example/" must not end with a slash: remove it.'],
    [
      'ISSUER',
      'https://x.example?a=1',
      'ISSUER "https://x.example?a=1" must have no query and no fragment: remove everything from the ? or #.',
    ],
    [
      'ISSUER',
      'https://X.example:443',
      'ISSUER "https://X.example:443" must be written in its plain form: https://x.example.',
    ],
    [
      'ISSUER',
      'http://id.example.com',
      'ISSUER "http://id.example.com" must start with https:// (http is accepted for localhost and 127.0.0.1 only).',
    ],
    [
      'ISSUER',
      'http://127.0.0.1.example.com',
      'ISSUER "http://127.0.0.1.example.com" must start with https:// (http is accepted for localhost and 127.0.0.1 only).',
    ],
    [
      'ISSUER',
      'https://a:b@x.example',
      'ISSUER "https://a:b@x.example" must not contain a user name or password.',
    ],
    [
      'TRUSTED_PROXIES',
      '10.0.0.1, proxy',
      'TRUSTED_PROXIES "10.0.0.1, proxy" has "proxy", which is not an address or CIDR range such as 10.0.0.0/8.',
    ],
    [
      'MASTER_KEY',
      'short',
      'MASTER_KEY must be 32 bytes in base64: make one with `openssl rand -base64 32`.',
    ],
    [
      'DATABASE_URL',
      'mysql://a',
      'DATABASE_URL must be a URL such as postgres://user:password@host:5432/database.',
    ],
    [
      'ACCENT_COLOR',
      'red',
      'ACCENT_COLOR "red" must be a colour such as #3455db: a # and six hexadecimal digits.',
    ],
    [
      'LOGO_URL',
      'javascript:alert(1)',
      'LOGO_URL "javascript:alert(1)" must be an https URL, a data: URL of an image, or a path that starts with /.',
    ],
    [
      'PASSWORD_BREACH_RANGE_URL',
      'http://x.example',
      'PASSWORD_BREACH_RANGE_URL "http://x.example" must be an https URL (http on loopback only).',
    ],
  ])('%s=%s', (name, value, sentence) => {
    expect(mistakes({ [name]: value })).toEqual([sentence]);
  });

  it.each(['http://localhost:3000', 'http://127.0.0.1:8080', 'http://[::1]:3000', 'https://x.example/id'])(
    'accepts the issuer %s',
    (issuer) => {
      expect(mistakes({ ISSUER: issuer })).toEqual([]);
    },
  );

  it('says all mistakes and warnings at once and shows no secret', () => {
    const environment = { PORT: 'x', MASTER_KEY: 'planted-secret', PASSWORD_MINIMUM_LENGTH: '8' };
    const directory = newFolder();
    let said: unknown;
    try {
      loadConfig({ environment, directory });
    } catch (error) {
      said = error;
    }
    expect(said).toBeInstanceOf(ConfigMistakes);
    const message = String(said);
    expect(message).toContain('There are 2 mistakes in the configuration:');
    expect(message).toContain('PORT "x"');
    expect(message).toContain('MASTER_KEY must be');
    expect(message).toContain('PASSWORD_MINIMUM_LENGTH is below 15');
    expect(message).not.toContain('planted-secret');
  });

  it('says where a value that is not from the environment stands', () => {
    expect(mistakes({}, { '.env': 'PORT=x' })[0]).toContain('(from .env)');
  });

  it('refuses a secret file that is missing or empty', () => {
    const sentence = (path: string) =>
      `MASTER_KEY_FILE: "${path}" is missing, empty or unreadable: check the path and its permissions.`;
    expect(mistakes({ MASTER_KEY_FILE: 'absent' })).toEqual([sentence('absent')]);
    expect(mistakes({ MASTER_KEY_FILE: 'empty' }, { empty: '\n' })).toEqual([sentence('empty')]);
  });
});

describe('the config file', () => {
  it('refuses an unknown key and says what was meant', () => {
    expect(mistakes({}, { 'gatehouse.toml': "isuer = 'https://x.example'\nzzzzzzzz = 1" })).toEqual([
      'gatehouse.toml: isuer is not a setting: did you mean issuer?',
      'gatehouse.toml: zzzzzzzz is not a setting: see docs/configuration.md',
    ]);
  });

  it('refuses a table as a value and text that is not TOML', () => {
    expect(mistakes({}, { 'gatehouse.toml': '[port]\na = 1' })).toEqual([
      'gatehouse.toml: port must be a text, number, true, false, or a list of those.',
    ]);
    const [mistake] = mistakes({}, { 'gatehouse.toml': "master_key = 'planted-secret" });
    expect(mistake).toMatch(
      /^gatehouse\.toml: Invalid TOML document.*: write one "name = value" on each line\.$/,
    );
    expect(mistake).not.toContain('planted-secret');
  });

  it('warns about a near miss in .env', () => {
    expect(warnings({}, { '.env': 'PROT=1\nSOMETHING_ELSE_ENTIRELY=1' })).toEqual([
      '.env: PROT is not a setting: did you mean PORT?',
    ]);
  });
});

describe('rules between settings', () => {
  it.each([
    [{ REFRESH_IDLE_SECONDS: '9000', REFRESH_ABSOLUTE_SECONDS: '8000' }, 'REFRESH_IDLE_SECONDS is longer'],
    [{ SESSION_IDLE_SECONDS: '9000', SESSION_ABSOLUTE_SECONDS: '8000' }, 'SESSION_IDLE_SECONDS is longer'],
    [
      { LOCKOUT_BASE_DELAY_SECONDS: '900', LOCKOUT_MAXIMUM_DELAY_SECONDS: '60' },
      'LOCKOUT_BASE_DELAY_SECONDS is',
    ],
    [
      { LOCKOUT_FREE_ATTEMPTS: '10', LOCKOUT_MAXIMUM_CONSECUTIVE_FAILURES: '10' },
      'LOCKOUT_FREE_ATTEMPTS must be',
    ],
    [{ ARGON2_MEMORY_KIB: '16', ARGON2_PARALLELISM: '4' }, 'ARGON2_MEMORY_KIB must be at least 8 times'],
    // An API or a client may set a day, whatever the settings of tokens are.
    [
      { SIGNING_KEY_RETAIN_RETIRED_SECONDS: '86459', ACCESS_TOKEN_SECONDS: '60', ID_TOKEN_SECONDS: '60' },
      'SIGNING_KEY_RETAIN_RETIRED_SECONDS must be 86460 or more',
    ],
    [{ METRICS_PORT: '3000' }, 'METRICS_PORT is the same as PORT'],
  ])('refuses %o', (environment, start) => {
    const found = mistakes(environment);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(start);
  });

  it.each([
    [{ ISSUER: 'https://x.example' }, 'TRUSTED_PROXIES is empty'],
    [{ TRUSTED_PROXIES: '0.0.0.0/0' }, 'TRUSTED_PROXIES contains every address'],
    [{ ENVIRONMENT: 'production' }, 'ISSUER is a loopback address that nobody else can reach'],
    [{ ENVIRONMENT: 'development', ISSUER: 'https://x.example' }, 'ENVIRONMENT is development although'],
    [{ HOST: '0.0.0.0' }, 'HOST listens beyond this machine'],
    [{ PASSWORD_MINIMUM_LENGTH: '8' }, 'PASSWORD_MINIMUM_LENGTH is below 15'],
    [
      { ISSUER: 'https://x.example', TRUSTED_PROXIES: '10.0.0.1', ARGON2_ITERATIONS: '1' },
      'ARGON2_MEMORY_KIB and ARGON2_ITERATIONS make hashing weaker',
    ],
    [
      { ISSUER: 'https://x.example', TRUSTED_PROXIES: '10.0.0.1', LOG_LEVEL: 'debug' },
      'LOG_LEVEL is debug in production',
    ],
    [{ SMTP_URL: 'smtp://mail.example.com', SMTP_TLS: 'if_offered' }, 'SMTP_TLS is if_offered'],
  ])('warns of %o and goes on', (environment, start) => {
    const reading = read({ SMTP_URL: 'smtps://mail.example.com', ...environment });
    expect(reading.config).toBeDefined();
    expect(reading.warnings).toHaveLength(1);
    expect(reading.warnings[0]).toContain(start);
  });
});

describe('a server that sends no mail', () => {
  it('is warned of in production, and files take its place in development', () => {
    const production = { ISSUER: 'https://x.example', TRUSTED_PROXIES: '10.0.0.1' };
    expect(warnings(production)).toEqual([expect.stringContaining('Nothing carries mail')]);
    expect(warnings({})).toEqual([]);
  });
});

describe('the table', () => {
  it('names every setting once, with a sentence', () => {
    const every = allSettings(settings).map(({ setting }) => setting);
    expect(new Set(every.map((one) => one.env)).size).toBe(every.length);
    for (const one of every) {
      expect(one.env).toMatch(/^[A-Z][A-Z0-9_]*$/);
      expect(one.sentence).toMatch(/\.$/);
    }
  });

  it('has defaults that its own kinds accept', () => {
    const { config, mistakes: none, warnings: quiet } = read({});
    expect([none, quiet]).toEqual([[], []]);
    const lines = config === undefined ? [] : describeConfig(config, new Map());
    const given = Object.fromEntries(lines.map(({ name, value }) => [name, value]));
    expect(read(given).config).toEqual(config);
  });

  it('shows no secret when it is described', () => {
    const { config, origins } = read({ MASTER_KEY: KEY });
    const line = config && describeConfig(config, origins).find(({ name }) => name === 'MASTER_KEY');
    expect(line).toMatchObject({ name: 'MASTER_KEY', value: '(secret)', origin: 'environment' });
  });
});
