#!/usr/bin/env node
// The command line: collects the features' commands and runs one.
import { setTimeout as delay } from 'node:timers/promises';
import packageFile from '../package.json' with { type: 'json' };
import { commands as accessCommands } from './access/commands.ts';
import { commands as accountCommands } from './accounts/commands.ts';
import { commands as apiKeyCommands } from './api-keys/commands.ts';
import { commands as apiCommands } from './apis/commands.ts';
import { commands as auditCommands } from './audit/commands.ts';
import { commands as resourceCommands } from './authzen/commands.ts';
import type { Backup } from './backup/backup.ts';
import { commands as backupCommands } from './backup/commands.ts';
import { commands as budgetCommands } from './budgets/commands.ts';
import { commands as clientCommands } from './clients/commands.ts';
import { commands as compromiseCommands } from './compromise/commands.ts';
import { offlineCommands } from './compromise/offline-commands.ts';
import { commands as credentialCommands } from './credentials/commands.ts';
import { commands as deletionCommands } from './deletion/commands.ts';
import { commands as doctorCommands } from './doctor/commands.ts';
import type { Doctor } from './doctor/doctor.ts';
import { commands as importCommands } from './imports/commands.ts';
import { commands as jobCommands } from './jobs/commands.ts';
import { commands as masterKeyCommands } from './master-key/commands.ts';
import { commands as messageCommands } from './messages/commands.ts';
import { commands as organizationCommands } from './organizations/commands.ts';
import type { Command } from './platform/command.ts';
import { type BoundCommand, bind, type Opened, runCommandLine } from './platform/command-line/run.ts';
import { describeConfig } from './platform/config/describe.ts';
import { ConfigMistakes, loadConfig, readConfig, userPlaces } from './platform/config/load.ts';
import { failure } from './platform/errors.ts';
import { withOrigin } from './platform/origin.ts';
import { commands as recoveryCommands } from './recovery/commands.ts';
import { commands as registrationCommands } from './registration/commands.ts';
import type { Services } from './services.ts';
import { commands as sessionCommands } from './sessions/commands.ts';
import { commands as setupCommands } from './setup/commands.ts';
import { commands as signingKeyCommands } from './signing-keys/commands.ts';
import { commands as terminalCommands } from './terminal/commands.ts';
import type { Terminal } from './terminal/terminal.ts';
import { commands as usageCommands } from './usage/commands.ts';

/** Commands of the features, run on the database of the server this machine is configured for. */
const featureCommands: Command<Services>[] = [
  ...setupCommands,
  ...accountCommands,
  ...credentialCommands,
  ...deletionCommands,
  ...recoveryCommands,
  ...importCommands,
  ...clientCommands,
  ...apiCommands,
  ...organizationCommands,
  ...registrationCommands,
  ...apiKeyCommands,
  ...compromiseCommands,
  ...accessCommands,
  ...budgetCommands,
  ...usageCommands,
  ...sessionCommands,
  ...messageCommands,
  ...signingKeyCommands,
  ...masterKeyCommands,
  ...jobCommands,
  ...auditCommands,
  ...resourceCommands,
];

/** Commands that open what they need themselves, or nothing. */
const ownCommands: Command<undefined>[] = [
  {
    name: 'serve',
    summary: 'Start the server; Ctrl-C stops it gracefully.',
    options: [
      {
        name: 'workers',
        value: 'number',
        summary: 'Processes that serve together, or auto for one per core; over WORKERS.',
      },
    ],
    async run({ options }) {
      const { serve } = await import('./main.ts');
      const workers = options.text('workers');
      // What the server does later is not done by this command: it starts without the command's origin.
      await withOrigin({ requestId: null, address: null, userAgent: null }, () => serve({ workers }));
    },
  },
  {
    name: 'migrate',
    summary: 'Bring the database schema up to date. The server does the same when it starts.',
    async run({ io }) {
      const applied = await migrateDatabase(loadConfig(undefined, io.note));
      const text =
        applied.length === 0 ? 'The schema is up to date.' : applied.map((name) => `applied ${name}`);
      return { json: { applied }, text };
    },
  },
  {
    name: 'config check',
    summary: 'Check the configuration; show which value holds and where it comes from.',
    async run({ io }) {
      const { config, mistakes, warnings, origins } = readConfig();
      if (config === undefined) throw new ConfigMistakes(mistakes, warnings);
      if (!io.json) for (const warning of warnings) io.note(`warning: ${warning}`);
      const settings = describeConfig(config, origins);
      const rows = settings.map(({ name, value, origin }) => [name, value, origin]);
      return {
        json: { settings, warnings },
        text: { columns: ['setting', 'value', 'from'], rows, empty: 'There are no settings.' },
      };
    },
  },
  {
    name: 'version',
    summary: 'Print the version.',
    run: async () => ({ json: { version: packageFile.version }, text: packageFile.version }),
  },
];

const nothing = async (): Promise<Opened<undefined>> => ({ services: undefined, close: async () => {} });

export const program = {
  name: 'gatehouse',
  summary: 'An OAuth 2.1 and OpenID Connect authorization server.',
  version: packageFile.version,
  groups: {
    user: 'People who can sign in.',
    client: 'Applications registered for OAuth.',
    api: 'APIs: audience, permissions, token format.',
    role: 'Roles: what they allow, and who has them.',
    access: 'Who may do what, and why.',
    'access resource': 'What decisions are asked about.',
    key: 'API keys: for machines, with permissions, limits and sub-keys.',
    'key pepper': 'What API keys are hashed under.',
    org: 'Organizations and their members.',
    team: 'Teams of an organization.',
    'registration-code': 'Codes by which people may make an account.',
    budget: 'Limits on what keys, people and organizations use.',
    usage: 'Who used how much.',
    session: 'Signed-in browsers.',
    'signing-keys': 'The keys that sign tokens.',
    grant: 'What accounts allowed which clients.',
    logout: 'Telling clients of ended sessions.',
    message: 'Mails and text messages: what waits, what failed, and what they look like.',
    'owner-key': 'The key of the owner of a single-user server.',
    'master-key': 'The key over all other keys at rest.',
    job: 'Scheduled work.',
    audit: 'The ledger of who did what.',
    backup: 'One file of everything: made, checked, brought back.',
    config: 'The configuration.',
  },
  get commands(): BoundCommand[] {
    return [
      ...bind([...ownCommands, ...offlineCommands], nothing),
      ...bind(terminalCommands, openTerminal),
      ...bind(featureCommands, openFeatures),
      ...bind(backupCommands, openBackup),
      ...bind(doctorCommands, openDoctor),
    ];
  },
};

/** The services are loaded only for commands that need them: `gatehouse token` in a script must be quick. */
async function openFeatures(): Promise<Opened<Services>> {
  const config = loadConfig();
  const [{ openServices }, { isDatabaseUnavailable }] = await Promise.all([
    import('./open-services.ts'),
    import('./platform/database/postgres.ts'),
  ]);
  const translate = (error: unknown) =>
    isDatabaseUnavailable(error) ? failure('database_unavailable', {}, error) : error;
  try {
    return { ...(await openServices(config, { role: 'command' })), translate };
  } catch (error) {
    throw translate(error);
  }
}

/** They open the database themselves: a backup must change nothing in it, and a restore finds none. */
async function openBackup(): Promise<Opened<{ backup: Backup }>> {
  const { database, secrets } = loadConfig();
  const [{ createBackup }, { systemClock }, { isDatabaseUnavailable }] = await Promise.all([
    import('./backup/backup.ts'),
    import('./platform/clock.ts'),
    import('./platform/database/postgres.ts'),
  ]);
  return {
    services: {
      backup: createBackup({ release: packageFile.version, database, secrets, clock: systemClock }),
    },
    close: async () => {},
    translate: (error) => (isDatabaseUnavailable(error) ? failure('database_unavailable', {}, error) : error),
  };
}

/** It opens each part by itself: what is away is what it tells about. */
async function openDoctor(): Promise<Opened<{ doctor: Doctor }>> {
  const { createDoctor } = await import('./doctor/doctor.ts');
  return { services: { doctor: createDoctor({ config: loadConfig() }) }, close: async () => {} };
}

async function openTerminal(): Promise<Opened<{ terminal: Terminal }>> {
  const { issuer } = loadConfig();
  const [{ createTerminal }, { createIssuer }, { createTokenFile, tokenDirectory }, { systemClock }] =
    await Promise.all([
      import('./terminal/terminal.ts'),
      import('./terminal/issuer.ts'),
      import('./terminal/token-file.ts'),
      import('./platform/clock.ts'),
    ]);
  const terminal = createTerminal({
    issuerUrl: issuer,
    issuer: createIssuer(issuer),
    tokenFile: createTokenFile(tokenDirectory(userPlaces())),
    clock: systemClock,
    wait: (seconds) => delay(seconds * 1000),
  });
  return { services: { terminal }, close: async () => {} };
}

async function migrateDatabase(config: ReturnType<typeof loadConfig>): Promise<string[]> {
  const [{ openEmbeddedPostgres }, { migrate }, { startErrorOf }, { silentLog }] = await Promise.all([
    import('./platform/embedded-postgres.ts'),
    import('./platform/database/migrations.ts'),
    import('./platform/database/start-error.ts'),
    import('./platform/telemetry/log.ts'),
  ]);
  const log = silentLog;
  const { url, dataDirectory } = config.database;
  if (url !== undefined) {
    return migrate({ url, log }).catch((error: unknown) => {
      throw startErrorOf(error, url);
    });
  }
  const embedded = await openEmbeddedPostgres({ dataDirectory, role: 'command', log });
  try {
    return await migrate({ url: embedded.url, log });
  } finally {
    await embedded.release();
  }
}

if (import.meta.main) {
  process.exitCode = await runCommandLine(program, process.argv.slice(2), process);
}
