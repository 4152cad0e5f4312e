// gatehouse key inspect: what a string is, without a server, a call or a configuration.
import { type Command, UsageMistake } from '../platform/command.ts';
import { explain } from './explain.ts';

export const offlineCommands: Command<undefined>[] = [
  {
    name: 'key inspect',
    summary: 'Say what a string is, offline: a key, what became of one, or of which other product it is.',
    arguments: [
      {
        name: 'string',
        optional: true,
        summary: 'The string; without it, or as -, it is read from standard input and stands in no history.',
      },
    ],
    async run({ args, io }) {
      const given = args.optional('string');
      const typed = given === undefined && io.interactive;
      const text = typed
        ? await io.askSecret('Key: ')
        : given === undefined || given === '-'
          ? await io.readStdin()
          : given;
      if (text.length > LONGEST)
        throw new UsageMistake(`This is longer than ${LONGEST} characters: no key is.`);
      const { finding, ours, keyId, product, sentence } = explain(text);
      return {
        json: { finding, ours, keyId, product, sentence },
        text: [
          `finding      ${finding}`,
          `ours         ${ours ? 'yes' : 'no'}`,
          ...(keyId === null ? [] : [`key id       ${keyId}`]),
          ...(product === null ? [] : [`product      ${product}`]),
          '',
          sentence,
        ],
        failed: finding !== 'key',
      };
    },
  },
];

const LONGEST = 10_000;
