//! `@cost`: what a field costs, next to the field and in the published contract.

#![expect(missing_docs, reason = "the items that the macro makes have none")]

use async_graphql::TypeDirective;

/// Static cost of a field, known before anything runs: weight × product of the multipliers, which are the names of
/// arguments, a number or a list, whose size counts; all that is selected below counts as often. Where it is not
/// written: a change or a subscription weighs 10; a question, a page of a list and an object with an id 1; anything else
/// nothing; and `first` and `last` multiply. A field is resolved as often as it is given: of the values that an object
/// was asked for before, under whatever alias, each twenty cost 1, and a list whose length no argument tells counts as 100.
#[TypeDirective(location = "FieldDefinition", name = "cost")]
pub fn cost(
    #[graphql(desc = "What the field costs once.")] weight: u32,
    #[graphql(desc = "Arguments whose number or length multiplies it.")] multipliers: Option<Vec<String>>,
) {
}
