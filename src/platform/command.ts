// A command of the command line as a value: features list theirs in commands.ts, cli.ts collects and runs them.
import { type Strength, strengths } from '../lib/strength.ts';

/** Who runs a command: the operating system's user. Fits the ledger's Actor. */
export interface Operator {
  readonly kind: 'operator';
  readonly id: string | null;
}

export interface CommandArgument {
  readonly name: string;
  readonly summary: string;
  readonly optional?: boolean;
}

export interface CommandOption {
  /** Long name without dashes, in kebab-case: 'redirect-uri'. */
  readonly name: string;
  /** The placeholder of its value: 'uri'. Without it the option is a flag. */
  readonly value?: string;
  readonly summary: string;
  readonly required?: boolean;
  /** May be given several times; read with `options.list`. */
  readonly repeat?: boolean;
  readonly choices?: readonly string[];
}

export interface Arguments {
  /** A required argument; the command line is refused before `run` when it is missing. */
  text(name: string): string;
  optional(name: string): string | undefined;
}

export interface Options {
  flag(name: string): boolean;
  text(name: string): string | undefined;
  /** The value of an option that is declared `required`. */
  required(name: string): string;
  list(name: string): string[];
  /** Throws a UsageMistake when the value is not a whole number from 0. */
  number(name: string): number | undefined;
  /** Throws a UsageMistake when the value is not a JSON object; '' is an empty one. */
  object(name: string): Record<string, unknown> | undefined;
  /** Throws a UsageMistake when the value is not an ISO 8601 date or time. */
  time(name: string): Date | undefined;
}

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | boolean | null | undefined)[])[];
  /** Said instead of a table without rows. */
  readonly empty: string;
}

export interface CommandResult {
  /** Printed with --json; must not hold more than the text shows to the same person. */
  readonly json: unknown;
  /** Printed without --json. */
  readonly text: string | readonly string[] | Table;
  /** The command has done its work, and what it found is bad: exit code 1. */
  readonly failed?: boolean;
}

/** The terminal, so that commands can be tested without one. */
export interface Io {
  /** Whether --json was given: then nothing but one JSON value goes to standard output. */
  readonly json: boolean;
  readonly interactive: boolean;
  /** A line for the person: standard output, or standard error with --json. */
  say(line: string): void;
  /** A line beside the result, always on standard error: progress, warnings. */
  note(line: string): void;
  ask(question: string): Promise<string>;
  /** Without echo. Throws a UsageMistake when nobody can type. */
  askSecret(question: string): Promise<string>;
  /** All of standard input, without the line end that `echo` adds. */
  readStdin(): Promise<string>;
}

export interface CommandInput<Services> {
  readonly services: Services;
  readonly args: Arguments;
  readonly options: Options;
  readonly io: Io;
  readonly by: Operator;
}

/** A command that needs `Services`: the slice of all services that it uses. */
export interface Command<Services> {
  /** Words as typed: 'user create'. */
  readonly name: string;
  readonly summary: string;
  readonly arguments?: readonly CommandArgument[];
  readonly options?: readonly CommandOption[];
  run(input: CommandInput<Services>): Promise<CommandResult | undefined>;
}

/** The command line asks for something that cannot be: exit code 2. */
export class UsageMistake extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'UsageMistake';
  }
}

/** Another process of ours has said already what is wrong: only the exit code is left. */
export class AlreadySaid extends Error {
  readonly exitCode: number;

  constructor(sentence: string, exitCode: number) {
    super(sentence);
    this.name = 'AlreadySaid';
    this.exitCode = exitCode;
  }
}

/** The person pressed Ctrl-C or Ctrl-D at a prompt: exit code 130. */
export class Interrupted extends Error {
  constructor() {
    super('Interrupted.');
    this.name = 'Interrupted';
  }
}

export const passwordStdin: CommandOption = {
  name: 'password-stdin',
  summary: 'Read the password from standard input instead of asking for it.',
};

/** A new password, typed twice without echo, or read from standard input with --password-stdin. */
export async function readNewPassword(input: { options: Options; io: Io }): Promise<string> {
  if (input.options.flag(passwordStdin.name)) return refuseEmpty(await input.io.readStdin());
  const password = refuseEmpty(await input.io.askSecret('Password: '));
  const again = await input.io.askSecret('Password again: ');
  if (password !== again) throw new UsageMistake('The two passwords differ.');
  return password;
}

/** Asks for a yes unless --yes was given; without a terminal it must be given. */
export async function confirmed(input: { options: Options; io: Io }, question: string): Promise<boolean> {
  if (input.options.flag(yes.name)) return true;
  if (!input.io.interactive) throw new UsageMistake('There is no terminal to confirm at: add --yes.');
  return /^y(es)?$/i.test((await input.io.ask(`${question} [y/N] `)).trim());
}

/** Of a client, an organization or a role. */
export const requiredAcr: CommandOption = {
  name: 'required-acr',
  value: 'acr',
  choices: ['', ...strengths],
  summary: "How sure a sign-in must be for it at least; '' for no matter.",
};

export function requiredAcrIn(options: Options): Strength | null | undefined {
  const given = options.text(requiredAcr.name);
  return given === '' ? null : strengths.find((strength) => strength === given);
}

const sessionIdle: CommandOption = {
  name: 'session-idle',
  value: 'seconds',
  summary: 'How long sessions last without use at most; 0 for as long as those of others.',
};

const sessionAbsolute: CommandOption = {
  name: 'session-absolute',
  value: 'seconds',
  summary: 'How long after a sign-in another one is asked for at the latest; 0 for as with others.',
};

/** Of a client, an organization or a role: how sure its sign-ins must be, and how long they last. */
export const signInRules: CommandOption[] = [requiredAcr, sessionIdle, sessionAbsolute];

export function signInRulesIn(options: Options) {
  return {
    requiredAcr: requiredAcrIn(options),
    sessionIdleSeconds: boundIn(options, sessionIdle),
    sessionAbsoluteSeconds: boundIn(options, sessionAbsolute),
  };
}

export function boundIn(options: Options, { name }: CommandOption): number | null | undefined {
  const given = options.number(name);
  return given === 0 ? null : given;
}

export const yes: CommandOption = { name: 'yes', summary: 'Do not ask for confirmation.' };

function refuseEmpty(password: string): string {
  if (password === '') throw new UsageMistake('The password is empty.');
  return password;
}
