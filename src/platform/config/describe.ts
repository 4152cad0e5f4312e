// The settings as people read them: the generated documentation and `gatehouse config check`.
import type { ConfigReading } from './load.ts';
import { type Config, settings } from './schema.ts';
import { allSettings, isSetting, type SettingTable } from './setting.ts';

export interface SettingLine {
  readonly name: string;
  /** Never the value of a secret. */
  readonly value: string;
  readonly origin: string;
  readonly secret: boolean;
  readonly sentence: string;
}

/** Every setting with the value that holds and where it comes from. */
export function describeConfig(config: Config, origins: ConfigReading['origins']): SettingLine[] {
  const values = new Map(flatten(settings, config));
  return allSettings(settings).map(({ setting }) => {
    const value = values.get(setting.env);
    const shown = setting.secret && value !== undefined ? '(secret)' : textOf(value);
    const { env: name, secret, sentence } = setting;
    return { name, value: shown, origin: origins.get(name) ?? 'default', secret, sentence };
  });
}

function flatten(table: SettingTable, values: object): [string, unknown][] {
  const byName = new Map<string, unknown>(Object.entries(values));
  return Object.entries(table).flatMap(([name, entry]): [string, unknown][] => {
    const value = byName.get(name);
    if (isSetting(entry)) return [[entry.env, value]];
    return typeof value === 'object' && value !== null ? flatten(entry, value) : [];
  });
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return Array.isArray(value) ? value.join(',') : String(value);
}

/** docs/configuration.md, without the line that names its generator. */
export function configurationPage(): string {
  const every = allSettings(settings);
  const sections = [...new Set(every.map(({ section }) => section))];
  return [
    ...introduction,
    ...sections.flatMap((section) => [
      `## ${section === '' ? 'The server' : (titles[section as keyof Config] ?? section)}`,
      '',
      '| Setting | Default | Kind | Meaning |',
      '|---|---|---|---|',
      ...every
        .filter((one) => one.section === section)
        .map(({ setting }) => {
          const kind = setting.secret ? `${setting.kind.says}, secret` : setting.kind.says;
          const { says, isRule } = setting.byDefault;
          const byDefault = says === '' || isRule ? says : `\`${says}\``;
          return `| \`${setting.env}\` | ${byDefault} | ${kind} | ${setting.sentence} |`;
        }),
      '',
    ]),
  ].join('\n');
}

/** .env.example, without the line that names its generator: every setting, commented out, at its default. */
export function envExample(): string {
  const every = allSettings(settings);
  const sections = [...new Set(every.map(({ section }) => section))];
  return sections
    .flatMap((section) => [
      `# --- ${section === '' ? 'The server' : (titles[section as keyof Config] ?? section)} ---`,
      ...every
        .filter((one) => one.section === section)
        .flatMap(({ setting }) => {
          const { says, isRule } = setting.byDefault;
          const notes = [
            setting.sentence,
            setting.secret ? `${setting.env}_FILE names a file that holds it.` : '',
            isRule && says !== '' ? `Default: ${says}.` : '',
          ];
          const comment = notes.filter((note) => note !== '').join(' ');
          return [`# ${comment}`, `#${setting.env}=${isRule ? '' : says}`];
        }),
      '',
    ])
    .join('\n');
}

const titles: Partial<Record<keyof Config, string>> = {
  http: 'HTTP',
  database: 'Database',
  secrets: 'Secrets',
  log: 'Log',
  tokens: 'Tokens',
  sessions: 'Sessions',
  signingKeys: 'Signing keys',
  passwords: 'Passwords',
  lockout: 'Lockout',
  apiKeys: 'API keys',
  limits: 'Limits, per minute',
  branding: 'Branding',
  messages: 'Mail and text messages',
  factors: 'Second factors',
  verification: 'Codes and links that are sent',
  outgoing: 'Outgoing requests',
  metrics: 'Metrics',
  tracing: 'Traces',
};

const introduction = [
  '# Configuration',
  '',
  'Nothing needs to be set to try Gatehouse. A setting is looked for in this order, and the first one found is used:',
  '',
  '1. the environment: `PORT=4000`;',
  '2. for a secret, a file that the environment names: `MASTER_KEY_FILE=/run/secrets/master-key`;',
  '3. `.env` in the working directory, with the same names;',
  '4. the config file: `gatehouse.toml` in the working directory, or the file that `GATEHOUSE_CONFIG` names. Its keys are the same names in lower case:',
  '',
  '   ```toml',
  "   issuer = 'https://id.example.com'",
  '   port = 4000',
  "   trusted_proxies = ['10.0.0.0/8']",
  "   database_url_file = '/run/secrets/database-url'",
  '   ```',
  '',
  'An empty value counts as not set. When something is wrong, the server says every mistake at once with its remedy and stops with exit code 78. `gatehouse config check` does the same without starting anything, and shows which value holds and where it comes from.',
  '',
  '`ISSUER` is compared letter by letter by every client. It must be https, except on the names of the machine itself (`localhost`, `127.0.0.1`, `[::1]`). Gatehouse speaks plain http and expects a reverse proxy to end TLS; name that proxy in `TRUSTED_PROXIES`, or its address is taken for the address of every person.',
  '',
];
