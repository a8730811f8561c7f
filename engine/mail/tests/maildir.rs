//! A maildir on a real file system.

use std::fs;
use std::path::Path;

use didfarm_mail::address::Address;
use didfarm_mail::compose::{Envelope, Mail, MailId};
use didfarm_mail::maildir::{Delivered, MESSAGE_BYTES_MAX, Maildir, UnreadableMail};

fn mail(id: &str, to: &str, bytes: &[u8]) -> Mail {
    Mail {
        id: MailId::parse(id).unwrap(),
        envelope: Envelope {
            from: Address::parse("a@didfarm.example").unwrap(),
            to: Address::parse(to).unwrap(),
        },
        bytes: bytes.to_vec(),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_mail_that_is_delivered_again_is_one_file_before_and_after_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let maildir = Maildir::open(folder.path().join("mail")).unwrap();
    let one = mail("m1", "x@c.example", b"one");
    assert_eq!(maildir.deliver(&one).unwrap(), Delivered::Stored);
    assert_eq!(maildir.deliver(&one).unwrap(), Delivered::Kept);
    let elsewhere = mail("m1", "y@c.example", b"one");
    assert_eq!(maildir.deliver(&elsewhere).unwrap(), Delivered::Stored);
    let (new, cur) = (maildir.path().join("new"), maildir.path().join("cur"));
    let in_new = names(&new);
    assert_eq!(in_new.len(), 2);
    // As a mail program marks a mail that was read and answered.
    for name in &in_new {
        fs::rename(new.join(name), cur.join(format!("{name}:2,RS"))).unwrap();
    }
    let reopened = Maildir::open(maildir.path()).unwrap();
    assert_eq!(reopened.deliver(&one).unwrap(), Delivered::Kept);
    assert!(names(&new).is_empty() && names(&maildir.path().join("tmp")).is_empty());
}

#[test]
fn what_a_crash_left_in_tmp_is_removed_if_it_is_ours() {
    let folder = tempfile::tempdir().unwrap();
    Maildir::open(folder.path()).unwrap();
    let tmp = folder.path().join("tmp");
    fs::write(tmp.join("0.abc.didfarm"), b"half").unwrap();
    fs::write(tmp.join("171.theirs"), b"half").unwrap();
    Maildir::open(folder.path()).unwrap();
    assert_eq!(names(&tmp), ["171.theirs"]);
}

#[test]
fn waiting_mails_come_in_order_until_they_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let maildir = Maildir::open(folder.path()).unwrap();
    let new = folder.path().join("new");
    fs::write(new.join("3.c"), b"three").unwrap();
    fs::write(new.join("1.a"), b"one").unwrap();
    fs::write(new.join("2.b"), vec![b'x'; MESSAGE_BYTES_MAX + 1]).unwrap();
    fs::write(new.join(".hidden"), b"no").unwrap();
    fs::create_dir(new.join("folder")).unwrap();
    let taken: Vec<_> = maildir.take_new().unwrap().collect();
    assert_eq!(taken.len(), 3);
    assert_eq!(taken[0].content.as_deref().unwrap(), b"one");
    assert!(matches!(taken[1].content, Err(UnreadableMail::TooLarge)));
    assert_eq!(taken[2].content.as_deref().unwrap(), b"three");
    maildir.done(&taken[0].name).unwrap();
    maildir.done(&taken[1].name).unwrap();
    maildir.done(&taken[0].name).unwrap();
    assert_eq!(names(&folder.path().join("cur")), ["1.a:2,S", "2.b:2,S"]);
    let left: Vec<_> = maildir
        .take_new()
        .unwrap()
        .map(|waiting| waiting.name)
        .collect();
    assert_eq!(left, [taken[2].name.clone()]);
}

#[test]
fn a_delivery_that_fails_leaves_nothing_behind_and_succeeds_later() {
    let folder = tempfile::tempdir().unwrap();
    let maildir = Maildir::open(folder.path()).unwrap();
    let tmp = folder.path().join("tmp");
    fs::remove_dir(&tmp).unwrap();
    let one = mail("m1", "x@c.example", b"one");
    assert!(maildir.deliver(&one).is_err());
    assert!(names(&folder.path().join("new")).is_empty());
    fs::create_dir(&tmp).unwrap();
    assert_eq!(maildir.deliver(&one).unwrap(), Delivered::Stored);
    let taken: Vec<_> = maildir.take_new().unwrap().collect();
    assert_eq!(taken[0].content.as_deref().unwrap(), b"one");
}
