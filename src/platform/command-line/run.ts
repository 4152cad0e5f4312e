// Runs one command of a command line: commander reads the words, this file answers with a result, one line of error, and an exit code.
import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import { Command as Commander, CommanderError, Option } from 'commander';
import {
  type Arguments,
  type Command,
  type CommandOption,
  type CommandResult,
  type Io,
  type Operator,
  type Options,
  UsageMistake,
} from '../command.ts';
import { withOrigin } from '../origin.ts';
import { exitCodes, sayError } from './report.ts';
import { createIo, printResult, type Streams } from './terminal-io.ts';
import { readArguments, readOptions } from './values.ts';

/** A command bound to the way its services are opened, so that lists with different needs can stand together. */
export interface BoundCommand {
  readonly definition: Omit<Command<never>, 'run'>;
  run(input: Omit<Parameters<Command<never>['run']>[0], 'services'>): Promise<CommandResult | undefined>;
}

export interface Opened<Services> {
  readonly services: Services;
  close(): Promise<void>;
  /** Gives an error of a library below the services its public name; absent when there is none to give. */
  translate?(error: unknown): unknown;
}

export function bind<Services>(
  commands: readonly Command<Services>[],
  open: () => Promise<Opened<Services>>,
): BoundCommand[] {
  return commands.map((command) => ({
    definition: command,
    async run(input) {
      const { services, close, translate } = await open();
      try {
        return await command.run({ ...input, services });
      } catch (error) {
        throw translate?.(error) ?? error;
      } finally {
        await close();
      }
    },
  }));
}

export interface Program {
  readonly name: string;
  readonly summary: string;
  readonly version: string;
  /** One sentence for each first word that has commands below it. */
  readonly groups: Readonly<Record<string, string>>;
  readonly commands: readonly BoundCommand[];
}

/** Never throws: the promise is the exit code of the process. */
export async function runCommandLine(
  program: Program,
  argv: readonly string[],
  streams: Streams,
): Promise<number> {
  let code: number = exitCodes.done.code;
  const commander = build(program, streams, async (command, args, options) => {
    const io = createIo(streams, options.flag('json'));
    code = await runOne(program, command, { args, options, io, by: operator() }, streams);
  });
  try {
    await commander.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version have been printed and are no mistakes.
    if (error.exitCode === 0) return exitCodes.done.code;
    const mistake = new UsageMistake(sentenceOf(error));
    return sayError(mistake, { json: argv.includes('--json'), debug: false }, streams);
  }
}

function sentenceOf(error: CommanderError): string {
  if (error.code === 'commander.help') return 'choose a command; --help lists them';
  return error.message.replace(/^error: /, '');
}

async function runOne(
  program: Program,
  command: BoundCommand,
  input: { args: Arguments; options: Options; io: Io; by: Operator },
  streams: Streams,
): Promise<number> {
  const origin = { requestId: randomUUID(), address: null, userAgent: `gatehouse-cli/${program.version}` };
  try {
    const result = await withOrigin(origin, () => command.run(input));
    printResult(result, input.io.json, streams.stdout);
    return result?.failed ? exitCodes.failed.code : exitCodes.done.code;
  } catch (error) {
    return sayError(error, { json: input.io.json, debug: input.options.flag('debug') }, streams);
  }
}

function build(
  program: Program,
  streams: Streams,
  run: (command: BoundCommand, args: Arguments, options: Options) => Promise<void>,
): Commander {
  const root = new Commander(program.name)
    .description(program.summary)
    .version(program.version, '-V, --version', 'Print the version.')
    .option('--json', 'Print one JSON value instead of text.')
    .option('--debug', 'Show the stack of an error.')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: (text) => streams.stdout.write(text), writeErr: () => {} })
    .exitOverride();
  const groups = new Map<string, Commander>();
  for (const command of program.commands) {
    const words = command.definition.name.split(' ');
    const last = words.pop() ?? '';
    const parent = words.length === 0 ? root : groupOf(root, groups, words.join(' '), program.groups);
    const made = parent.command(last);
    // A command may have others below it: `backup` and `backup verify`.
    groups.set(command.definition.name, made);
    mount(made, command, run);
  }
  return root;
}

function groupOf(
  root: Commander,
  groups: Map<string, Commander>,
  name: string,
  summaries: Program['groups'],
): Commander {
  const known = groups.get(name);
  if (known !== undefined) return known;
  // A group may be in another one: `access resource`.
  const words = name.split(' ');
  const last = words.pop() ?? '';
  const parent = words.length === 0 ? root : groupOf(root, groups, words.join(' '), summaries);
  const made = parent.command(last).description(summaries[name] ?? '');
  // Without this, a group typed alone would print its help as an error of its own making.
  made.action(() =>
    made.error(`choose a command: ${made.commands.map((one) => `${name} ${one.name()}`).join(', ')}`),
  );
  groups.set(name, made);
  return made;
}

function mount(
  commander: Commander,
  command: BoundCommand,
  run: (command: BoundCommand, args: Arguments, options: Options) => Promise<void>,
): void {
  const { definition } = command;
  commander.description(definition.summary).allowExcessArguments(false);
  const names = definition.arguments ?? [];
  for (const { name, summary, optional } of names) {
    commander.argument(optional === true ? `[${name}]` : `<${name}>`, summary);
  }
  for (const option of definition.options ?? []) commander.addOption(optionOf(option));
  commander.action((...given: unknown[]) => {
    const values = new Map(names.map(({ name }, index) => [name, given[index]]));
    return run(command, readArguments(values), readOptions(commander.optsWithGlobals()));
  });
}

function optionOf(option: CommandOption): Option {
  const flags = option.value === undefined ? `--${option.name}` : `--${option.name} <${option.value}>`;
  const made = new Option(flags, option.summary).makeOptionMandatory(option.required === true);
  if (option.choices !== undefined) made.choices(option.choices);
  if (option.repeat === true) {
    const parseOne = made.parseArg;
    made.argParser((value: string, before: string[] | undefined) => {
      parseOne?.(value, undefined as never);
      return [...(before ?? []), value];
    });
  }
  return made;
}

function operator(): Operator {
  try {
    return { kind: 'operator', id: userInfo().username };
  } catch {
    // A container may run under a user id that has no name.
    return { kind: 'operator', id: process.getuid === undefined ? null : `uid-${process.getuid()}` };
  }
}
