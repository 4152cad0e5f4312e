// The environment and the config files become one frozen Config, or every mistake and warning at once.
import { homedir } from 'node:os';
import { rules } from './rules.ts';
import { type Config, settings } from './schema.ts';
import { allSettings, isSetting, type Setting, type SettingTable } from './setting.ts';
import { type ConfigSources, type Given, gather } from './sources.ts';

export type { Config } from './schema.ts';
export type { ConfigSources } from './sources.ts';

/** sysexits.h EX_CONFIG: the exit code of a process that was configured wrongly. */
export const CONFIG_EXIT_CODE = 78;

export class ConfigMistakes extends Error {
  readonly mistakes: readonly string[];
  readonly warnings: readonly string[];

  constructor(mistakes: readonly string[], warnings: readonly string[]) {
    super(reportOf(mistakes, warnings));
    this.name = 'ConfigMistakes';
    this.mistakes = mistakes;
    this.warnings = warnings;
  }
}

export interface ConfigReading {
  /** Undefined when there are mistakes. */
  readonly config: Config | undefined;
  readonly mistakes: readonly string[];
  readonly warnings: readonly string[];
  /** Where each value that was given came from, by the name of the setting. */
  readonly origins: ReadonlyMap<string, string>;
}

/** The only place that reads the environment of the process. */
export function processSources(): ConfigSources {
  return { environment: process.env, directory: process.cwd() };
}

/** Where programs of this person keep their settings (XDG base directories); no setting of the server. */
export function userPlaces(): { home: string; configHome: string | undefined } {
  return { home: homedir(), configHome: process.env.XDG_CONFIG_HOME };
}

/** Throws ConfigMistakes, whose message is the whole report. Warnings without a mistake go to `warn`. */
export function loadConfig(
  sources: ConfigSources = processSources(),
  warn: (warning: string) => void = () => {},
): Config {
  const { config, mistakes, warnings } = readConfig(sources);
  if (config === undefined) throw new ConfigMistakes(mistakes, warnings);
  warnings.forEach(warn);
  return config;
}

const ORIGINS = Symbol('where each value came from');

/** Where each value of this config that was given came from, by the name of the setting; the others are defaults. */
export function originsOf(config: Config): ReadonlyMap<string, string> {
  return (config as { [ORIGINS]?: ReadonlyMap<string, string> })[ORIGINS] ?? new Map();
}

export function readConfig(sources: ConfigSources = processSources()): ConfigReading {
  const every = allSettings(settings).map(({ setting }) => setting);
  const secret = new Set(every.filter((setting) => setting.secret).map((setting) => setting.env));
  const gathered = gather(sources, { all: every.map((setting) => setting.env), secret });
  const mistakes = [...gathered.mistakes];
  const values = valuesOf(every, gathered.given, mistakes);
  const origins = new Map([...gathered.given].map(([name, given]) => [name, given.from]));
  // `as`: `values` has an entry for each setting of the table, each made by that setting's own kind or default.
  const config = Object.freeze(
    Object.defineProperty({ ...shape(settings, values) }, ORIGINS, { value: origins }),
  ) as Config;
  const broken = rules.filter((rule) => rule.when(config));
  mistakes.push(...broken.filter((rule) => rule.stops).map((rule) => rule.message));
  const warnings = [
    ...gathered.warnings,
    ...broken.filter((rule) => !rule.stops).map((rule) => rule.message),
  ];
  return { config: mistakes.length === 0 ? config : undefined, mistakes, warnings, origins };
}

function valuesOf(
  every: readonly Setting<unknown>[],
  given: ReadonlyMap<string, Given>,
  mistakes: string[],
): Map<string, unknown> {
  const values = new Map<string, unknown>();
  const missing: Setting<unknown>[] = [];
  for (const setting of every) {
    const found = given.get(setting.env);
    const parsed = found === undefined ? undefined : setting.kind.parse(found.text);
    if (found !== undefined && parsed !== undefined && 'mistake' in parsed) {
      mistakes.push(mistakeOf(setting, found, parsed.mistake));
    }
    if (parsed !== undefined && 'value' in parsed) values.set(setting.env, parsed.value);
    else missing.push(setting);
  }
  // A rule between settings is checked against the default where a value could not be read, so that one run says all.
  let open = missing;
  const of = (env: string) => values.get(env);
  const isOpen = (env: string) => open.some((setting) => setting.env === env);
  while (open.length > 0) {
    const [setting, ...rest] = nextToFill(open, isOpen);
    open = rest;
    values.set(setting.env, setting.byDefault.value(of));
  }
  return values;
}

/** Settings whose default follows another one come after it. */
function nextToFill(
  open: readonly Setting<unknown>[],
  isOpen: (env: string) => boolean,
): [Setting<unknown>, ...Setting<unknown>[]] {
  for (const setting of open) {
    let waits = false;
    setting.byDefault.value((env) => {
      waits ||= isOpen(env);
      return undefined;
    });
    if (!waits) return [setting, ...open.filter((other) => other !== setting)];
  }
  throw new Error(
    `The defaults of these settings follow each other in a circle: ${open.map((s) => s.env).join(', ')}`,
  );
}

function mistakeOf(setting: Setting<unknown>, found: Given, mistake: string): string {
  const shown = setting.secret ? '' : ` "${found.text}"`;
  const from = found.from === 'environment' ? '' : ` (from ${found.from})`;
  return `${setting.env}${shown} ${mistake}${from}.`;
}

function shape(table: SettingTable, values: ReadonlyMap<string, unknown>): object {
  const entries = Object.entries(table).map(([name, entry]) => [
    name,
    isSetting(entry) ? Object.freeze(values.get(entry.env)) : shape(entry, values),
  ]);
  return Object.freeze(Object.fromEntries(entries));
}

function reportOf(mistakes: readonly string[], warnings: readonly string[]): string {
  const count = mistakes.length === 1 ? 'There is 1 mistake' : `There are ${mistakes.length} mistakes`;
  return [
    `${count} in the configuration:`,
    ...mistakes.map((mistake) => `  - ${mistake}`),
    ...(warnings.length === 0 ? [] : ['Warnings:', ...warnings.map((warning) => `  - ${warning}`)]),
    'Every setting is described in docs/configuration.md.',
  ].join('\n');
}
