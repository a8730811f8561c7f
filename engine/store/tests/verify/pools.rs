//! Breaches of V23: pools, their accounts and their numbers.

use didfarm_core::ids::PoolId;
use didfarm_core::pool::Pool;
use didfarm_store::records::keys::{self, MAPS};

use crate::rich::Rich;
use crate::shelves::{alter, remove};
use crate::{Case, check};

const FIRST: fn(&Rich) -> String = |rich| PoolId::of(rich.account, 1).to_string();
const SECOND: fn(&Rich) -> String = |rich| PoolId::of(rich.account, 2).to_string();

fn alter_first(rich: &Rich, change: impl FnOnce(&mut Pool)) {
    let key = keys::id(PoolId::of(rich.account, 1).get());
    alter(&rich.records, MAPS.pools, &key, change);
}

#[test]
fn v23_pools_are_of_their_accounts_and_share_no_number() {
    check(&[
        Case {
            name: "a pool with another account's number",
            invariants: &["V23"],
            subject: FIRST,
            alter: |rich| alter_first(rich, |pool| pool.numbers.push(rich.foreign)),
        },
        Case {
            name: "a number in two pools",
            invariants: &["V23"],
            subject: SECOND,
            alter: |rich| {
                let second = keys::id(PoolId::of(rich.account, 2).get());
                alter(&rich.records, MAPS.pools, &second, |pool: &mut Pool| {
                    pool.numbers = vec![rich.number];
                });
            },
        },
        Case {
            name: "an account that forgot how many pools it had",
            invariants: &["V23"],
            subject: SECOND,
            alter: |rich| rich.alter_account(rich.account, |account| account.pool_last = 1),
        },
        Case {
            name: "a pool that is not kept",
            invariants: &["V10"],
            subject: |_| "the pools".to_owned(),
            alter: |rich| {
                let key = keys::id(PoolId::of(rich.account, 1).get());
                remove(&rich.records, MAPS.pools, &key);
            },
        },
    ]);
}
