// gatehouse user import: a directory of people from a file, or from another program.
import {
  type Command,
  type CommandInput,
  type CommandResult,
  type Io,
  type Options,
  UsageMistake,
} from '../platform/command.ts';
import { formats, type ImportSummary, type Imports, type Outcome, openSource } from './imports.ts';

type Services = { imports: Imports };

const PROGRESS_MILLISECONDS = 5000;
/** How many refused records are shown when there is no report that has them. */
const SHOWN = 20;

export const commands: Command<Services>[] = [
  {
    name: 'user import',
    summary: 'Make accounts from a file of CSV or JSON lines (docs/import.md); - reads standard input.',
    arguments: [{ name: 'file', summary: 'The file, or - for standard input.' }],
    options: [
      { name: 'format', value: 'format', summary: 'Unless the file shows it.', choices: formats },
      {
        name: 'report',
        value: 'file',
        summary: 'Where to write what became of each record; FILE.report.jsonl unless told.',
      },
      { name: 'resume', summary: 'Go on where an interrupted import ended, by its report.' },
      { name: 'dry-run', summary: 'Check everything and write nothing.' },
      { name: 'max-errors', value: 'number', summary: 'Stop when more records than this are refused.' },
      {
        name: 'column',
        value: 'name=field',
        repeat: true,
        summary: 'What this column of the file is; nothing after = leaves it out.',
      },
      {
        name: 'require-password-change',
        summary: 'Have everybody choose a new password at the first sign-in.',
      },
      { name: 'allow-plain', summary: 'Take passwords that are not hashed; hashing them takes its time.' },
      { name: 'allow-admins', summary: 'Let records make administrators.' },
    ],
    run: importPeople,
  },
];

async function importPeople({
  services,
  args,
  options,
  io,
  by,
}: CommandInput<Services>): Promise<CommandResult> {
  const path = args.text('file');
  const dryRun = options.flag('dry-run');
  const report = options.text('report') ?? (path === '-' || dryRun ? undefined : `${path}.report.jsonl`);
  const resume = options.flag('resume');
  if (resume && report === undefined) throw new UsageMistake('Name the --report of what is to be resumed.');
  const summary = await services.imports.run(
    {
      source: await openSource(path),
      format: formats.find((known) => known === options.text('format')),
      columns: { renamed: renamedColumns(options) },
      rules: {
        allowPlain: options.flag('allow-plain'),
        allowAdmins: options.flag('allow-admins'),
        requirePasswordChange: options.flag('require-password-change'),
      },
      report,
      resume,
      dryRun,
      maximumRefused: options.number('max-errors'),
      heard: progress(io, report === undefined),
    },
    by,
  );
  return {
    json: { ...summary, dryRun, report: report ?? null },
    text: sentences(summary, { dryRun, report }),
    failed: summary.refused > 0,
  };
}

function renamedColumns(options: Options): Map<string, string> {
  return new Map(
    options.list('column').map((text) => {
      const at = text.lastIndexOf('=');
      if (at < 1) throw new UsageMistake(`--column ${text}: write name=field.`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function progress(io: Io, showsRefused: boolean) {
  let told = performance.now();
  let shown = 0;
  return (outcomes: readonly Outcome[], { records, created, refused, seconds }: ImportSummary) => {
    for (const outcome of showsRefused ? outcomes : []) {
      if (outcome.result !== 'refused' || shown === SHOWN) continue;
      shown += 1;
      io.note(`line ${outcome.line}: ${outcome.reason}`);
      if (shown === SHOWN) io.note('More are refused; --report writes them all.');
    }
    if (performance.now() - told < PROGRESS_MILLISECONDS) return;
    told = performance.now();
    io.note(`${records} records, ${created} created, ${refused} refused, ${seconds} s`);
  };
}

function sentences(
  { records, created, present, refused, stopped, seconds }: ImportSummary,
  { dryRun, report }: { dryRun: boolean; report: string | undefined },
): string[] {
  return [
    `${records} records in ${seconds} s: ${created} ${dryRun ? 'would be created' : 'created'}, ${present} were there already, ${refused} refused.`,
    ...(stopped ? ['Stopped, because too many were refused. --resume goes on.'] : []),
    ...(report === undefined ? [] : [`What became of each: ${report}`]),
  ];
}
