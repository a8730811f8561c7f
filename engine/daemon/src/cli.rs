//! The command line's shape.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Turns phone numbers into SMS and WhatsApp channels. Without a command: serve.
#[derive(Debug, Parser)]
#[command(
    name = "didfarm",
    version,
    about,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the daemon.
    Serve(ServeArgs),
    /// Accounts of a running daemon.
    #[command(subcommand)]
    Account(AccountCommand),
    /// API keys of a running daemon.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Numbers of a running daemon.
    #[command(subcommand)]
    Number(NumberCommand),
    /// Wallets of a running daemon.
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Carriers of a running daemon.
    #[command(subcommand)]
    Carrier(CarrierCommand),
    /// Messages of a running daemon that need an operator.
    #[command(subcommand)]
    Message(MessageCommand),
    /// Receipts of a running daemon whose message is not known.
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Audits a stopped store and names the first breach.
    Verify(VerifyArgs),
    /// Rebuilds the records of a stopped store from its journal.
    Repair(StoreArgs),
    /// Checks or prints the settings in force.
    Config(ConfigArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    /// Settings file (TOML). Every key can also be set as DIDFARM__SECTION__KEY.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where journal and records are kept.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where customers and carriers call; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where operators call: metrics, health, accounts.
    #[arg(long, value_name = "ADDR")]
    pub(crate) ops_listen: Option<String>,
}

/// How to reach a running daemon.
#[derive(Debug, Clone, Args)]
pub(crate) struct DaemonArgs {
    /// The running daemon's data directory: its operators' address and token are read there.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "didfarm-data",
        env = "DIDFARM__DATA_DIR"
    )]
    pub(crate) data_dir: PathBuf,
    /// The operators' listener, when it is not to be read from the data directory.
    #[arg(long, value_name = "ADDR")]
    pub(crate) ops: Option<SocketAddr>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Makes an account.
    Create {
        /// What people call it.
        #[arg(long)]
        name: String,
        /// Messages a second; the settings' default otherwise.
        #[arg(long, requires = "burst")]
        rate_per_second: Option<u32>,
        /// Messages at once.
        #[arg(long, requires = "rate_per_second")]
        burst: Option<u32>,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
    /// Lists accounts.
    List {
        #[command(flatten)]
        daemon: DaemonArgs,
    },
    /// Sets an account's rate limit.
    Limit {
        /// The account, as acct_… or an integer.
        #[arg(long)]
        account: String,
        /// Messages a second.
        #[arg(long)]
        rate_per_second: u32,
        /// Messages at once.
        #[arg(long)]
        burst: u32,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
    /// Sets the countries that are open to an account; without any, those of the settings.
    Destinations {
        /// The account, as acct_… or an integer.
        #[arg(long)]
        account: String,
        /// Countries by two capital letters, with commas between them.
        #[arg(long, value_name = "LIST", value_delimiter = ',')]
        countries: Vec<String>,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
    /// Sets the kinds of ranges that are open to an account; without any, none is.
    Ranges {
        /// The account, as acct_… or an integer.
        #[arg(long)]
        account: String,
        /// premium, satellite, shared_cost, personal, international_networks, with commas between them.
        #[arg(long, value_name = "LIST", value_delimiter = ',')]
        kinds: Vec<String>,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
    /// Lists the ranges that are stopped for an account.
    Stops {
        /// The account, as acct_… or an integer.
        #[arg(long)]
        account: String,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
    /// Lets an account's messages to a stopped range go on.
    ReleaseStop {
        /// The account, as acct_… or an integer.
        #[arg(long)]
        account: String,
        /// The range as the list has it: +3161234, or a country.
        #[arg(long)]
        prefix: String,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Makes an API key and prints it, this once.
    Create {
        /// The account, as acct_… or an integer.
        #[arg(long)]
        account: String,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum NumberCommand {
    /// Hosts a number.
    Add {
        /// The account, as acct_… or an integer.
        #[arg(long)]
        account: String,
        /// The number in E.164 form.
        #[arg(long, value_name = "E164")]
        number: String,
        /// Enables SMS.
        #[arg(long)]
        sms: bool,
        /// Enables WhatsApp.
        #[arg(long)]
        whatsapp: bool,
        /// It still waits for provisioning or verification.
        #[arg(long)]
        provisioning: bool,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
    /// Lets a number out of quarantine.
    Release {
        /// The number, as num_… or an integer.
        #[arg(long)]
        number: String,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum WalletCommand {
    /// Adds money to an account's wallet.
    TopUp {
        /// The account, as acct_… or an integer.
        #[arg(long)]
        account: String,
        /// Euros, as 25 or 10.50.
        #[arg(long)]
        amount: String,
        /// The idempotency key of a top-up that had no answer: it is not carried out twice. A fresh one unless
        /// given.
        #[arg(long)]
        key: Option<String>,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum CarrierCommand {
    /// Lists carriers, each with its circuit and what waits for it.
    List {
        #[command(flatten)]
        daemon: DaemonArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum MessageCommand {
    /// Lists messages in doubt: submitted, and without an answer.
    InDoubt {
        #[command(flatten)]
        rows: RowsArgs,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
    /// Settles a message in doubt by what was found out.
    Resolve {
        /// The message, as msg_… or an integer.
        #[arg(value_name = "ID")]
        message: String,
        /// What became of it: the carrier took it, or it did not and the charge is given back.
        #[arg(long = "as", value_enum)]
        outcome: MessageOutcome,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
}

/// What an operator found out about a message in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MessageOutcome {
    /// The carrier took it.
    Sent,
    /// No carrier took it.
    Failed,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Lists receipts that wait for their message, those that wait longest first.
    Parked {
        #[command(flatten)]
        rows: RowsArgs,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
    /// Lists receipts whose message never came, the newest first, and how many there ever were.
    AgedOut {
        #[command(flatten)]
        rows: RowsArgs,
        #[command(flatten)]
        daemon: DaemonArgs,
    },
}

/// How long a list may be.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct RowsArgs {
    /// The most rows, 1 to 1000.
    #[arg(long, value_name = "ROWS", default_value_t = 100)]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The stopped store.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Acknowledged ids that must be there, one a line, each with its body behind a tab if wanted.
    #[arg(long, value_name = "FILE")]
    pub(crate) expect: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// The stopped store.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    /// Prints the settings in force instead of only checking them.
    #[arg(long)]
    pub(crate) print: bool,
}

#[cfg(test)]
mod tests;
