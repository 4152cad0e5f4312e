// gatehouse backup, restore, move: everything into one file, back again, and over to another PostgreSQL.
import {
  type Command,
  type CommandInput,
  type CommandOption,
  type CommandResult,
  confirmed,
  UsageMistake,
  yes,
} from '../platform/command.ts';
import type { Backup, BackupView, CopiedTable, Header, RestoreView } from './backup.ts';
import { openOutput } from './output.ts';
import {
  givenText,
  givesPassphrase,
  passphraseFile,
  passphraseOf,
  passphraseToMake,
  readable,
  standardOutput,
} from './terminal.ts';

interface Services {
  backup: Backup;
}
type Input = CommandInput<Services>;

const force: CommandOption = { name: 'force', summary: 'Replace a file of that name.' };
const KEYS_APART =
  'The master key is not in it: without keys/ (or MASTER_KEY) it cannot be restored. Keep a copy of that in another place.';

export const commands: Command<Services>[] = [
  {
    name: 'backup',
    summary: 'Write everything but the master key into one file, while the server runs.',
    arguments: [
      {
        name: 'file',
        summary: 'Its name; gatehouse-DATE.backup unless told, - for standard output.',
        optional: true,
      },
    ],
    options: [
      {
        name: 'encrypt',
        summary: 'Under a passphrase, which is asked for unless --passphrase-file is given.',
      },
      passphraseFile,
      force,
    ],
    run: makeBackup,
  },
  {
    name: 'backup verify',
    summary: 'Read a backup through and check its counts and hashes. Needs no server and no master key.',
    arguments: [{ name: 'file', summary: 'The backup; - for standard input.' }],
    options: [passphraseFile],
    async run({ services, args, options, io }) {
      const passphrase = passphraseOf(options, io);
      const bytes = await readable(args.text('file'));
      const mustBeEncrypted = givesPassphrase(options);
      const reading = { passphrase, mustBeEncrypted, onTable: progress(io) };
      const found = await services.backup.verify(bytes, reading);
      return {
        json: { whole: true, ...viewOf(found) },
        text: [...linesOf(found.header, found.tables), 'The backup is whole: every count and hash fits.'],
      };
    },
  },
  {
    name: 'restore',
    summary: 'Bring a backup back, all of it or nothing. Servers must be stopped.',
    arguments: [{ name: 'file', summary: 'The backup; - for standard input.' }],
    options: [
      { name: 'replace', summary: 'Replace the data that is there. Without it the database must be empty.' },
      {
        name: 'keep-sessions',
        summary:
          'Keep people signed in and refresh tokens alive, also those revoked after the backup was made.',
      },
      passphraseFile,
      yes,
    ],
    run: restoreBackup,
  },
  {
    name: 'move',
    summary:
      'Copy everything to an empty PostgreSQL of your own, then leave a note here. Servers must be stopped.',
    options: [
      { name: 'to', value: 'url', summary: 'Where to: postgres://user:password@host:5432/database.' },
      {
        name: 'to-file',
        value: 'file',
        summary: 'A file with that URL, so that no password is on the command line.',
      },
      { name: 'undo', summary: 'Take the note back, so that servers start on the data here again.' },
    ],
    run: moveData,
  },
];

async function makeBackup({ services, args, options, io, by }: Input): Promise<CommandResult | undefined> {
  const path = args.optional('file') ?? `gatehouse-${new Date().toISOString().replace(/[:.]/g, '-')}.backup`;
  const toStandard = path === '-';
  if (toStandard && io.json) throw new UsageMistake('With - the backup is the output: leave out --json.');
  const encrypt = options.flag('encrypt') || givesPassphrase(options);
  const passphrase = encrypt ? await passphraseToMake(options, io) : undefined;
  const output = toStandard ? standardOutput() : await openOutput(path, options.flag(force.name));
  let made: BackupView;
  try {
    made = await services.backup.create(output.stream, { passphrase, onTable: progress(io) }, by);
    await output.keep();
  } catch (error) {
    await output.discard();
    // A full disk or Ctrl-C, and not what followed from it.
    throw output.stream.errored ?? error;
  }
  const plain = encrypt
    ? []
    : [
        'It is not encrypted: names, mail addresses and events can be read in it. --encrypt puts it under a passphrase.',
      ];
  const said = [...plain, KEYS_APART];
  if (toStandard) {
    for (const line of said) io.note(line);
    return undefined;
  }
  return {
    json: { file: path, ...viewOf(made) },
    text: [...linesOf(made.header, made.tables), `Written to ${path}.`, ...said],
  };
}

async function restoreBackup(input: Input): Promise<CommandResult | undefined> {
  const { services, args, options, io, by } = input;
  const replace = options.flag('replace');
  const keepSessions = options.flag('keep-sessions');
  const confirm = (header: Header) => (replace ? confirmReplace(input, header) : Promise.resolve(true));
  const passphrase = passphraseOf(options, io);
  const bytes = await readable(args.text('file'));
  const mustBeEncrypted = givesPassphrase(options);
  const restoring = { replace, keepSessions, passphrase, mustBeEncrypted, confirm, onTable: progress(io) };
  const restored = await services.backup.restore(bytes, restoring, by);
  if (restored === undefined) return undefined;
  return {
    json: { ...viewOf(restored), foreign: restored.foreign, sessionsKept: keepSessions },
    text: [
      ...linesOf(restored.header, restored.tables),
      ...foreignLines(restored),
      'Restored, and read back: every count and hash fits.',
      keepSessions
        ? 'People stay signed in. What was revoked after the backup was made works again: revoke it once more.'
        : 'All sessions, grants and tokens have ended: people sign in again.',
      'Passwords, API keys, client secrets and suspensions are as they were then: check what has changed since.',
    ],
  };
}

async function confirmReplace({ options, io }: Input, header: Header): Promise<boolean> {
  io.note(`The backup is of ${header.createdAt}. Everything in the database that came later will be gone.`);
  if (options.flag(yes.name)) return true;
  if (!io.interactive) return confirmed({ options, io }, '');
  return (await io.ask('Type "replace" to go on: ')).trim() === 'replace';
}

async function moveData({ services, options, io, by }: Input): Promise<CommandResult> {
  const to = await givenText(options, 'to', 'to-file');
  if (options.flag('undo') === (to !== undefined)) {
    throw new UsageMistake('Say where to with --to or --to-file, or --undo to take a move back.');
  }
  if (to === undefined) {
    const undone = await services.backup.undoMove(by);
    const text = undone
      ? 'Servers start on this data again. See to it that none runs on the other database.'
      : 'There was no note of a move here.';
    return { json: { undone }, text };
  }
  if (!URL.canParse(to) || !/^postgres(ql)?:$/.test(new URL(to).protocol)) {
    throw new UsageMistake(
      'The database to move to is a URL such as postgres://user:password@host:5432/database.',
    );
  }
  const moved = await services.backup.move({ to, onTable: progress(io) }, by);
  return {
    json: moved,
    text: [
      ...tableLines(moved.tables),
      ...foreignLines(moved),
      `Everything is in ${moved.movedTo} now, and was read back: every count and hash fits.`,
      'Next: set DATABASE_URL to that database, keep keys/ where it is, and start the server.',
      'The data here is as it was, with a note that keeps servers from it; `gatehouse move --undo` takes it back.',
    ],
  };
}

function progress(io: Input['io']): (table: CopiedTable) => void {
  return ({ name, rows }) => io.note(`${name}: ${rows} rows`);
}

function viewOf({ header, tables, ...more }: { header: Header; tables: CopiedTable[]; encrypted?: boolean }) {
  const { createdAt, release, postgres, migrations, masterKeys, leftOut } = header;
  const encrypted = more.encrypted === undefined ? {} : { encrypted: more.encrypted };
  return { createdAt, release, postgres, migrations, masterKeys, leftOut, ...encrypted, tables };
}

function linesOf(header: Header, tables: readonly CopiedTable[]): string[] {
  return [
    ...tableLines(tables),
    `Made ${header.createdAt} by Gatehouse ${header.release}; secrets sealed under master key ${header.masterKeys.join(', ')}.`,
  ];
}

function tableLines(tables: readonly CopiedTable[]): string[] {
  return tables.map(({ name, rows, sha256 }) => `${sha256}  ${name}  ${rows} rows`);
}

function foreignLines({ foreign }: Pick<RestoreView, 'foreign'>): string[] {
  if (foreign.length === 0) return [];
  return [`Not copied, for they are no tables of Gatehouse: ${foreign.join(', ')}.`];
}
