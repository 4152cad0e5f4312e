// The pages of the outbox on a machine of a developer, with sample messages.
import type { Sample } from './sample.ts';

const mail = {
  id: 'msg_01',
  channel: 'mail',
  to: 'ada@example.com',
  date: '2026-11-22T10:00:00.000Z',
  subject: 'Confirm your email address',
  template: 'verify-address',
  text: 'Please confirm.\n\nConfirm address:\nhttp://localhost:3000/verify?token=abc\n',
  html: '<p>Please confirm.</p>',
};
const sms = {
  ...mail,
  channel: 'sms',
  to: '+431234567',
  subject: '',
  html: null,
  text: 'Your code: 48203917',
};
const outbox = { view: 'dev/outbox', titleKey: 'dev.outbox.title' };
const one = { view: 'dev/message', titleKey: 'dev.outbox.title' };

export const outboxSamples: readonly Sample[] = [
  { ...outbox, name: 'outbox', model: { messages: [mail, sms], path: '/home/ada/gatehouse/data/outbox' } },
  { ...outbox, name: 'outbox-empty', model: { messages: [], path: 'data/outbox' } },
  { ...one, name: 'outbox-mail', model: { message: mail } },
  { ...one, name: 'outbox-sms', model: { message: sms } },
];
