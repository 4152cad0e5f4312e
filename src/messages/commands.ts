// gatehouse message: mails and text messages that wait or were given up, sending one again, and what a template looks like.
import { type Command, type Options, UsageMistake } from '../platform/command.ts';
import type { Messages } from './messages.ts';
import { channels, messageStates } from './schema.ts';
import { isTemplate, templateNames } from './templates.ts';

const LIST_DEFAULT = 50;

export const commands: Command<{ messages: Messages }>[] = [
  {
    name: 'message list',
    summary: 'Show mails and text messages, to whom and how that went, the newest first.',
    options: [
      { name: 'state', value: 'state', choices: messageStates, summary: 'Only those in this state.' },
      { name: 'channel', value: 'channel', choices: channels, summary: 'Only mails, or only text messages.' },
      { name: 'account', value: 'id', summary: 'Only those to this account.' },
      { name: 'limit', value: 'number', summary: `How many, ${LIST_DEFAULT} unless told.` },
      { name: 'cursor', value: 'cursor', summary: 'Go on where the last page ended.' },
    ],
    async run({ services, options }) {
      const page = await services.messages.list(filterOf(options), {
        limit: options.number('limit') ?? LIST_DEFAULT,
        cursor: options.text('cursor') ?? null,
      });
      return {
        json: page,
        text: {
          columns: ['id', 'template', 'to', 'state', 'attempts', 'last error', 'next attempt'],
          rows: page.items.map((one) => [
            one.id,
            one.channel === 'mail' ? one.template : `${one.template} (${one.channel})`,
            one.to,
            one.state,
            one.attempts,
            one.lastError,
            one.nextAttemptAt?.toISOString(),
          ]),
          empty: 'There is no such message.',
        },
      };
    },
  },
  {
    name: 'message retry',
    summary: 'Send a message that waits or was given up once more; the server does it.',
    arguments: [{ name: 'id', summary: 'The message, as `message list` shows it.' }],
    async run({ services, args, by }) {
      const id = args.text('id');
      await services.messages.retry(id, by);
      return { json: { retried: id }, text: 'The message will be sent again.' };
    },
  },
  {
    name: 'message preview',
    summary: 'Show a mail or text message as it would be sent, with sample values.',
    arguments: [{ name: 'template', summary: 'Its name; without one, all names.', optional: true }],
    options: [
      { name: 'locale', value: 'tag', summary: 'The language, en unless told.' },
      { name: 'html', summary: 'The HTML of a mail, to be opened in a browser.' },
      { name: 'sms', summary: 'The text message of that name.' },
    ],
    async run({ services, args, options }) {
      const template = args.optional('template');
      if (template === undefined) return { json: templateNames, text: templateNames };
      if (!isTemplate(template))
        throw new UsageMistake(`There is no template ${template}: see \`message preview\`.`);
      const channel = options.flag('sms') ? 'sms' : 'mail';
      const shown = services.messages.preview(template, options.text('locale') ?? null, channel);
      if (shown === undefined) throw new UsageMistake(`${template} is not sent that way.`);
      const { subject, html, text } = shown;
      if (options.flag('html')) return { json: shown, text: html ?? text };
      return { json: shown, text: subject === null ? text : `Subject: ${subject}\n\n${text}` };
    },
  },
];

function filterOf(options: Options) {
  const state = messageStates.find((one) => one === options.text('state'));
  const channel = channels.find((one) => one === options.text('channel'));
  const accountId = options.text('account');
  return {
    ...(state === undefined ? {} : { state }),
    ...(channel === undefined ? {} : { channel }),
    ...(accountId === undefined ? {} : { accountId }),
  };
}
