// An error becomes one line and one exit code.
import { ZodError } from 'zod';
import { AlreadySaid, Interrupted, UsageMistake } from '../command.ts';
import { CONFIG_EXIT_CODE, ConfigMistakes } from '../config/load.ts';
import { AppError } from '../errors.ts';
import { harmless, type Streams } from './terminal-io.ts';

/** What an exit code means; part of the public interface, so a code never changes meaning. */
export const exitCodes = {
  done: { code: 0, is: 'Done.' },
  failed: { code: 1, is: 'Something went wrong that is not the fault of the command line.' },
  usage: { code: 2, is: 'The command line, or a value in it, is not valid.' },
  absent: { code: 3, is: 'What the command is about does not exist.' },
  refused: {
    code: 4,
    is: 'The server or a rule refused: not allowed, not signed in, in conflict, too many.',
  },
  later: { code: 75, is: 'Something needed is away or busy: the same command may work later.' },
  config: { code: CONFIG_EXIT_CODE, is: 'The configuration has mistakes; all of them are listed.' },
  interrupted: { code: 130, is: 'Ctrl-C or Ctrl-D at a prompt.' },
} as const;

interface SaidError {
  readonly exitCode: number;
  readonly code: string;
  readonly message: string;
  readonly details?: object;
}

export function sayError(error: unknown, how: { json: boolean; debug: boolean }, streams: Streams): number {
  if (error instanceof AlreadySaid) return error.exitCode;
  const said = explain(error);
  const { exitCode, ...shown } = said;
  if (how.json) streams.stderr.write(`${JSON.stringify({ error: shown })}\n`);
  else if (error instanceof ConfigMistakes) streams.stderr.write(`${harmless(said.message)}\n`);
  else streams.stderr.write(`error: ${harmless(said.message).replaceAll('\n', ' ')} (${said.code})\n`);
  if (how.debug && error instanceof Error) streams.stderr.write(`${error.stack ?? ''}\n${causeOf(error)}`);
  return exitCode;
}

function explain(error: unknown): SaidError {
  if (error instanceof AppError) {
    const shown = withDetails(error.message, { ...error.details, ...error.details.fields });
    return { exitCode: exitCodeOf(error.status), code: error.code, message: shown, details: error.details };
  }
  if (error instanceof UsageMistake) {
    return { exitCode: exitCodes.usage.code, code: 'usage', message: error.message };
  }
  if (error instanceof ZodError) {
    const fields = Object.fromEntries(error.issues.map((issue) => [issue.path.join('.'), issue.message]));
    const message = withDetails('A value is not valid.', fields);
    return { exitCode: exitCodes.usage.code, code: 'request_invalid', message, details: { fields } };
  }
  if (error instanceof ConfigMistakes) {
    const details = { mistakes: error.mistakes, warnings: error.warnings };
    return { exitCode: exitCodes.config.code, code: 'config', message: error.message, details };
  }
  if (error instanceof Interrupted) {
    return { exitCode: exitCodes.interrupted.code, code: 'interrupted', message: error.message };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { exitCode: exitCodes.failed.code, code: 'internal_error', message };
}

function exitCodeOf(status: number): number {
  if (status === 404) return exitCodes.absent.code;
  if (status === 400 || status === 413 || status === 415 || status === 422) return exitCodes.usage.code;
  if (status === 503) return exitCodes.later.code;
  return status < 500 ? exitCodes.refused.code : exitCodes.failed.code;
}

/** The sentence and the plain details behind it: 'The password is too short. minimumLength: 15'. */
function withDetails(sentence: string, details: Readonly<Record<string, unknown>>): string {
  const plain = Object.entries(details).filter(([, value]) => [value].flat().every(isPlain));
  return [sentence, ...plain.map(([name, value]) => `${name}: ${[value].flat().join(' ')}`)].join(' ');
}

const isPlain = (value: unknown) => typeof value === 'string' || typeof value === 'number';

function causeOf(error: Error): string {
  return error.cause instanceof Error ? `caused by: ${error.cause.stack ?? error.cause.message}\n` : '';
}
