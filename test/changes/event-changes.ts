import { breaking, type Change, drop, type Edit, granted, harmless, put, spent, text } from './change.ts'

export const wallet = '/$defs/perigee.wallet.changed.v1'
const updated = '/$defs/perigee.player.updated.v1'
const created = '/$defs/perigee.player.created.v1'
const reason = `${wallet}/properties/reason`
const named = `${created}/properties/displayName`
const amount = `${wallet}/properties/balances/items/properties/amount`

/** A member that the real events lack, for keywords that they lack. */
const extra = `${wallet}/properties/extra`
const withExtra = (schema: unknown): readonly Edit[] => [put(extra, schema)]

const gift = { type: 'object', properties: { kind: { const: 'gift' } }, required: ['kind'] }
const tree = { type: 'object', properties: { size: { type: 'integer' }, below: { $ref: '#/$defs/Tree' } } }
const withTree = [put('/$defs/Tree', tree), ...withExtra({ $ref: '#/$defs/Tree' })]

export const eventChanges: readonly Change[] = [
  breaking('a type does not go away', drop(wallet), [[wallet, `the event ${wallet.slice(7)} is gone`]]),
  breaking('a type keeps its subject', put(`${wallet}/x-perigee-aggregate`, 'player:{playerId}'), [
    [`${wallet}/x-perigee-aggregate`, 'the subject went from wallet:{playerId} to player:{playerId}'],
  ]),
  breaking('a type stays an event', drop(`${wallet}/x-perigee-aggregate`), [[wallet, 'the event']]),
  breaking(
    'a member does not go away, and is named once',
    [drop(reason), put(`${wallet}/required`, ['playerId', 'transactionId', 'changes', 'balances'])],
    [[reason, 'the member `reason` is gone']],
  ),
  breaking(
    'a member that could be absent does not go away either',
    drop(extra),
    [[extra, 'the member `extra` is gone']],
    withExtra(text),
  ),
  breaking('a member of an item does not go away', drop(amount), [[amount, 'the member `amount` is gone']]),
  breaking(
    'a required member is not absent',
    put(`${wallet}/required`, ['playerId', 'transactionId', 'changes', 'balances']),
    [[reason, 'the member `reason` can now be absent']],
  ),
  breaking('a member keeps its type', put(`${reason}/type`, 'integer'), [
    [reason, 'a value of type integer is now possible'],
  ]),
  breaking('a whole number stays whole', put(`${amount}/type`, 'number'), [
    [amount, 'a value of type fraction is now possible'],
  ]),
  breaking('a member does not become null', put(reason, { anyOf: [text, { type: 'null' }] }), [
    [reason, 'a value of type null is now possible'],
  ]),
  breaking('a member does not become null by a list of types', put(reason, { type: ['string', 'null'] }), [
    [reason, 'a value of type null is now possible'],
  ]),
  breaking('a member that had a type keeps one', put(reason, {}), [
    [reason, 'a value of type null or boolean or object or array or integer or fraction is now possible'],
  ]),
  breaking('a member keeps its pattern', put(`${wallet}/properties/playerId/pattern`, '^ply_'), [
    [`${wallet}/properties/playerId`, 'the pattern went from ^ply_'],
  ]),
  breaking('a pattern is not taken away', drop(`${wallet}/properties/playerId/pattern`), [
    [`${wallet}/properties/playerId`, 'to none'],
  ]),
  breaking(
    'a format is not taken away',
    drop(`${extra}/format`),
    [[extra, 'the format went from date-time to none']],
    withExtra({ ...text, format: 'date-time' }),
  ),
  breaking('a text does not become longer', put(`${named}/maxLength`, 33), [
    [named, 'the greatest length went from 32 to 33'],
  ]),
  breaking('a text does not become endless', drop(`${named}/maxLength`), [
    [named, 'the greatest length went from 32 to none'],
  ]),
  breaking('a text does not become shorter', put(`${named}/minLength`, 0), [
    [named, 'the least length went from 1 to 0'],
  ]),
  breaking('a text does not become empty', drop(`${named}/minLength`), [[named, 'the least length went from 1 to 0']]),
  breaking('a number does not become smaller', put(`${amount}/minimum`, -1), [
    [amount, 'the least value went from 0 to -1'],
  ]),
  breaking('a number does not become greater', drop(`${amount}/maximum`), [
    [amount, 'the greatest value went from 9007199254740991 to none'],
  ]),
  breaking(
    'an excluded bound does not become possible',
    [drop(`${extra}/exclusiveMinimum`), put(`${extra}/minimum`, 0)],
    [[extra, 'the least value went from above 0 to 0']],
    withExtra({ type: 'number', exclusiveMinimum: 0 }),
  ),
  breaking(
    'an excluded greatest value stays excluded',
    put(`${extra}/exclusiveMaximum`, 2),
    [[extra, 'the greatest value went from under 1 to under 2']],
    withExtra({ type: 'number', exclusiveMaximum: 1 }),
  ),
  breaking(
    'an excluded greatest value does not become possible',
    [drop(`${extra}/exclusiveMaximum`), put(`${extra}/maximum`, 1)],
    [[extra, 'the greatest value went from under 1 to 1']],
    withExtra({ type: 'number', exclusiveMaximum: 1 }),
  ),
  breaking('a list does not become empty', drop(`${updated}/properties/changed/minItems`), [
    [`${updated}/properties/changed`, 'the least number of items went from 1 to 0'],
  ]),
  breaking(
    'a list does not become longer',
    put(`${extra}/maxItems`, 3),
    [[extra, 'the greatest number of items went from 2 to 3']],
    withExtra({ type: 'array', maxItems: 2 }),
  ),
  breaking('the items of a list keep their type', put(`${updated}/properties/changed/items/type`, 'null'), [
    [`${updated}/properties/changed/items`, 'a value of type null is now possible'],
  ]),
  breaking('the items of a list keep some schema', drop(`${updated}/properties/changed/items`), [
    [`${updated}/properties/changed/items`, 'a value of type null'],
  ]),
  breaking(
    'a closed set of values gains none',
    put(`${extra}/enum`, ['won', 'lost', 'drawn']),
    [[extra, 'the value "drawn" is now possible']],
    withExtra({ ...text, enum: ['won', 'lost'] }),
  ),
  breaking(
    'a closed set of values stays closed',
    drop(`${extra}/enum`),
    [[extra, 'a value other than "won", "lost" is now possible']],
    withExtra({ ...text, enum: ['won', 'lost'] }),
  ),
  breaking(
    'a constant stays what it is',
    put(`${extra}/const`, 'lost'),
    [[extra, 'the value "lost" is now possible']],
    withExtra({ const: 'won' }),
  ),
  breaking(
    'an enumeration that comes for a pattern holds to it',
    put(extra, { ...text, enum: ['won', 'Lost'] }),
    [[extra, 'the pattern went from ^[a-z]+$ to none']],
    withExtra({ ...text, pattern: '^[a-z]+$' }),
  ),
  breaking(
    'an enumeration that comes for a bound holds to it',
    put(extra, { enum: ['won', 'drawn'] }),
    [[extra, 'the greatest length went from 4 to 5']],
    withExtra({ ...text, maxLength: 4 }),
  ),
  breaking(
    'an enumeration that comes for a range holds to it',
    put(extra, { enum: [1, 3] }),
    [[extra, 'the greatest value went from 2 to 3']],
    withExtra({ type: 'integer', maximum: 2 }),
  ),
  breaking(
    'what a map holds keeps its type',
    put(`${extra}/additionalProperties/type`, 'string'),
    [[`${extra}/additionalProperties`, 'a value of type string is now possible']],
    withExtra({ type: 'object', additionalProperties: { type: 'integer' } }),
  ),
  breaking(
    'a new member of a map is what the map says of all',
    put(`${extra}/properties`, { note: text }),
    [[`${extra}/additionalProperties`, 'a value of type string is now possible']],
    withExtra({ type: 'object', additionalProperties: { type: 'integer' } }),
  ),
  breaking(
    'a map that says what it holds goes on saying it',
    drop(`${extra}/additionalProperties`),
    [[`${extra}/additionalProperties`, 'a value of type null']],
    withExtra({ type: 'object', additionalProperties: { type: 'integer' } }),
  ),
  breaking(
    'an object that was closed stays closed',
    put(`${extra}/additionalProperties`, true),
    [[extra, 'a member that the object does not name is now possible']],
    withExtra({ type: 'object', additionalProperties: false }),
  ),
  breaking(
    'the keys of a map keep their form',
    drop(`${extra}/propertyNames/pattern`),
    [[`${extra}/propertyNames`, 'the pattern went from ^[a-z]+$ to none']],
    withExtra({ type: 'object', propertyNames: { ...text, pattern: '^[a-z]+$' } }),
  ),
  breaking(
    'a closed set of alternatives gains none',
    put(`${extra}/oneOf`, [granted, spent, gift]),
    [[extra, 'a value of type object with kind "gift" is now possible']],
    withExtra({ oneOf: [granted, spent] }),
  ),
  breaking(
    'of several alternatives the one that changed is named',
    put(`${extra}/oneOf/1/properties/note`, text),
    [[`${extra}/oneOf/1/properties/note`, 'a value of type string is now possible']],
    withExtra({ oneOf: [granted, { ...spent, properties: { ...spent.properties, note: { type: 'null' } } }] }),
  ),
  breaking(
    'a part that holds for all alternatives goes on to hold',
    drop(`${extra}/allOf/0`),
    [[`${extra}/allOf/1`, 'the greatest length went from 8 to none']],
    withExtra({
      allOf: [
        { ...text, maxLength: 8 },
        { ...text, minLength: 1 },
      ],
    }),
  ),
  breaking(
    'a schema that is referred to is held like one that is written in place',
    put('/$defs/Short/maxLength', 9),
    [['/$defs/Short', 'the greatest length went from 8 to 9']],
    [put('/$defs/Short', { ...text, maxLength: 8 }), ...withExtra({ $ref: '#/$defs/Short' })],
  ),
  breaking(
    'a schema that refers to itself is held, and each of its breaks is named once',
    put('/$defs/Tree/properties/size/type', 'string'),
    [['/$defs/Tree/properties/size', 'a value of type string is now possible']],
    withTree,
  ),
  harmless(
    'a new type breaks nobody',
    put('/$defs/perigee.thing.happened.v1', { 'x-perigee-aggregate': 'player:{id}' }),
  ),
  harmless('what events share may go when no event needs it', drop('/$defs/Short'), [put('/$defs/Short', text)]),
  harmless('a new member that can be absent breaks nobody', put(extra, text)),
  harmless('a new member that is always there breaks nobody', [
    put(extra, text),
    put(`${created}/required`, ['playerId', 'displayName', 'extra']),
    put(`${created}/properties/extra`, text),
  ]),
  harmless(
    'a new member that is named like a method of JavaScript is a new member',
    put(`${wallet}/properties/toString`, text),
  ),
  harmless('a member may become required', put(`${wallet}/required/5`, 'extra'), withExtra(text)),
  harmless('words for people may change', [
    put(`${wallet}/title`, 'Wallet changed'),
    put(`${reason}/description`, 'Why.'),
    put(`${reason}/deprecated`, true),
    put(`${reason}/examples`, ['quest']),
    put(`${reason}/$comment`, 'for us'),
  ]),
  harmless('a default is for those who write', put(`${extra}/default`, 'b'), withExtra({ ...text, default: 'a' })),
  harmless('bounds may close in', [
    put(`${named}/maxLength`, 31),
    put(`${named}/minLength`, 2),
    put(`${amount}/minimum`, 1),
    put(`${amount}/maximum`, 9),
    put(`${updated}/properties/changed/minItems`, 2),
    put(`${updated}/properties/changed/maxItems`, 5),
  ]),
  harmless('above zero is within zero and more', [drop(`${amount}/minimum`), put(`${amount}/exclusiveMinimum`, 0)]),
  harmless(
    'from one is within above zero, for whole numbers',
    [drop(`${extra}/exclusiveMinimum`), put(`${extra}/minimum`, 1)],
    [...withExtra({ type: 'integer', exclusiveMinimum: 0 })],
  ),
  harmless(
    'above zero is from one, and under one is up to zero, for whole numbers',
    [
      put(extra, { type: 'integer', exclusiveMinimum: 0 }),
      put(`${created}/properties/extra`, { type: 'integer', exclusiveMaximum: 1 }),
    ],
    [put(extra, { type: 'integer', minimum: 1 }), put(`${created}/properties/extra`, { type: 'integer', maximum: 0 })],
  ),
  harmless('a bound of texts asks nothing of numbers', put(extra, { type: 'integer' }), withExtra({ minLength: 2 })),
  harmless('a pattern and a format may be added', [
    put(`${reason}/pattern`, '^[a-z]+$'),
    put(`${reason}/format`, 'slug'),
  ]),
  harmless('a number may become whole', put(`${extra}/type`, 'integer'), withExtra({ type: 'number' })),
  harmless('a member may stop to be null', put(extra, text), withExtra({ anyOf: [text, { type: 'null' }] })),
  harmless('null may be written as an alternative or as a type', put(extra, { type: ['string', 'null'] }), [
    ...withExtra({ anyOf: [text, { type: 'null' }] }),
  ]),
  harmless(
    'a set of values may lose one',
    put(`${extra}/enum`, ['won']),
    withExtra({ ...text, enum: ['won', 'lost'] }),
  ),
  harmless('a constant is one of a set of values', put(extra, { const: 'won' }), withExtra({ enum: ['won', 'lost'] })),
  harmless(
    'an enumeration may come for a pattern and bounds that its values hold to',
    put(extra, { enum: ['won', 'lost'] }),
    withExtra({ ...text, pattern: '^[a-z]+$', minLength: 3, maxLength: 4 }),
  ),
  harmless(
    'a tag tells alternatives apart also where one of them does not ask for it',
    put(`${extra}/oneOf/0/properties/note`, text),
    withExtra({ oneOf: [granted, { ...spent, required: [] }] }),
  ),
  harmless('an alternative may go', put(`${extra}/oneOf`, [spent]), withExtra({ oneOf: [granted, spent] })),
  harmless(
    'alternatives may change places',
    put(`${extra}/oneOf`, [spent, granted]),
    withExtra({ oneOf: [granted, spent] }),
  ),
  harmless('an object may be closed', put(`${extra}/additionalProperties`, false), withExtra({ type: 'object' })),
  harmless('a schema may get a name', [put('/$defs/Reason', text), put(reason, { $ref: '#/$defs/Reason' })]),
  harmless('a schema may be written in parts', put(reason, { allOf: [text, { maxLength: 128 }] })),
  harmless('a schema that refers to itself may gain a member', put('/$defs/Tree/properties/note', text), withTree),
]
