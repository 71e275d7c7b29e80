//! Puts all mutations of a file into it at once, each behind a switch: `if mutant::is(17) { a <= b } else { a < b }`.
//! So everything is built once, and each mutant is a run with another number.

#![allow(clippy::wildcard_enum_match_arm, reason = "most of Rust's grammar is of no interest here")]

use std::collections::BTreeSet;

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{BinOp, Block, Expr, Item, Lit, ReturnType, Stmt, Type, UnOp, parse_quote};

/// One change.
#[derive(Clone, Debug)]
pub(super) struct Mutation {
    pub(super) number: usize,
    /// In this file.
    pub(super) file: String,
    pub(super) line: usize,
    /// In this function.
    pub(super) function: String,
    /// What is changed, and into what.
    pub(super) what: String,
}

/// Works through the files, one after the other.
#[derive(Debug, Default)]
pub(super) struct Mutator {
    pub(super) all: Vec<Mutation>,
    next: usize,
    /// These do not build.
    pub(super) left_out: BTreeSet<usize>,
    file: String,
    source: String,
    functions: Vec<String>,
    is_target: bool,
}

impl Mutator {
    pub(super) fn new(left_out: BTreeSet<usize>) -> Self {
        Self { left_out, ..Self::default() }
    }

    /// The file with its mutations; one that is no target only loses what is in the way of them.
    pub(super) fn mutate(&mut self, file: &str, source: &str, is_target: bool) -> syn::Result<String> {
        let mut tree = syn::parse_file(source)?;
        (self.file, self.source, self.is_target) = (file.into(), source.into(), is_target);
        self.visit_file_mut(&mut tree);
        let mut text = String::new();
        for attribute in &tree.attrs {
            text += &attribute.to_token_stream().to_string();
            text.push('\n');
        }
        for item in &tree.items {
            text += &item.to_token_stream().to_string();
            text.push('\n');
        }
        Ok(text)
    }

    /// Registers a mutation; the condition under which it is in force, unless it is left out.
    fn add(&mut self, span: Span, what: impl FnOnce(&str) -> String) -> Option<Expr> {
        if !self.is_target || self.functions.is_empty() {
            return None;
        }
        self.next += 1;
        let number = self.next;
        if self.left_out.contains(&number) {
            return None;
        }
        let text = self.source.get(span.byte_range()).unwrap_or_default();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.all.push(Mutation {
            number,
            file: self.file.clone(),
            line: span.start().line,
            function: self.functions.join("::"),
            what: what(&short(&text)),
        });
        Some(parse_quote!(::mutant::is(#number)))
    }

    fn function(&mut self, name: String, returns: &ReturnType, block: &mut Block) {
        self.functions.push(name);
        let span = block.span();
        self.block(block, matches!(returns, ReturnType::Default));
        let early: Option<(Vec<Expr>, &str)> = match returns {
            ReturnType::Default => Some((vec![], "does nothing")),
            ReturnType::Type(_, kind) => match last_of(kind).as_deref() {
                Some("bool") => Some((vec![parse_quote!(true), parse_quote!(false)], "returns")),
                Some("Option") => Some((vec![parse_quote!(None)], "returns")),
                Some(_) | None => None,
            },
        };
        if let Some((values, what)) = early {
            if values.is_empty()
                && let Some(is) = self.add(span, |_| format!("the function {what}"))
            {
                block.stmts.insert(0, parse_quote!(if #is { return; }));
            }
            for value in values {
                let text = value.to_token_stream().to_string();
                if let Some(is) = self.add(span, |_| format!("the function {what} `{text}`")) {
                    block.stmts.insert(0, parse_quote!(if #is { return #value; }));
                }
            }
        }
        self.functions.pop();
    }

    /// The statements of a block; `is_unit`: its value is of no interest.
    fn block(&mut self, block: &mut Block, is_unit: bool) {
        let count = block.stmts.len();
        for (at, statement) in block.stmts.iter_mut().enumerate() {
            let is_last = at + 1 == count;
            let span = statement.span();
            self.visit_stmt_mut(statement);
            if let Stmt::Expr(Expr::Match(expression), semi) = statement
                && (semi.is_some() || !is_last || is_unit)
            {
                self.arms(expression);
            }
            if let Stmt::Expr(expression, Some(_)) = statement
                && is_droppable(expression)
                && let Some(is) = self.add(span, |text| format!("`{text}` is lost"))
            {
                let inner = expression.clone();
                *statement = parse_quote!(if !#is { #inner; });
            }
        }
    }

    /// Each arm of a match without a value may be as if it were not there.
    fn arms(&mut self, expression: &mut syn::ExprMatch) {
        for arm in &mut expression.arms {
            if matches!(&*arm.body, Expr::Block(block) if block.block.stmts.is_empty()) {
                continue;
            }
            let pattern = arm.pat.span();
            if let Some(is) = self.add(pattern, |text| format!("the arm `{text}` does nothing")) {
                let body = &arm.body;
                arm.body = parse_quote!({ if #is { } else { #body } });
            }
        }
    }

    fn binary(&mut self, expression: &mut Expr, span: Span) -> Option<()> {
        let Expr::Binary(binary) = expression else { return None };
        let (other, name): (BinOp, &str) = match binary.op {
            BinOp::Lt(_) => (parse_quote!(<=), "<="),
            BinOp::Le(_) => (parse_quote!(<), "<"),
            BinOp::Gt(_) => (parse_quote!(>=), ">="),
            BinOp::Ge(_) => (parse_quote!(>), ">"),
            BinOp::Eq(_) => (parse_quote!(!=), "!="),
            BinOp::Ne(_) => (parse_quote!(==), "=="),
            BinOp::And(_) => (parse_quote!(||), "||"),
            BinOp::Or(_) => (parse_quote!(&&), "&&"),
            BinOp::Add(_) => (parse_quote!(-), "-"),
            BinOp::Sub(_) => (parse_quote!(+), "+"),
            BinOp::Mul(_) => (parse_quote!(/), "/"),
            BinOp::Div(_) => (parse_quote!(*), "*"),
            _ => return None,
        };
        if has_let(&binary.left) || has_let(&binary.right) {
            return None;
        }
        let sign = binary.op.to_token_stream().to_string();
        let is = self.add(span, |text| format!("`{text}`: `{sign}` becomes `{name}`"))?;
        let mut changed = binary.clone();
        changed.op = other;
        let same = binary.clone();
        *expression = parse_quote!((if #is { #changed } else { #same }));
        Some(())
    }

    fn literal(&mut self, expression: &mut Expr) -> Option<()> {
        let Expr::Lit(literal) = expression else { return None };
        let (changed, span): (Expr, Span) = match &literal.lit {
            Lit::Bool(value) => {
                let other = !value.value;
                (parse_quote!(#other), value.span())
            }
            Lit::Int(number) => {
                let more = number.base10_parse::<u64>().ok()? + 1;
                let more = syn::LitInt::new(&format!("{more}{}", number.suffix()), number.span());
                (parse_quote!(#more), number.span())
            }
            _ => return None,
        };
        let name = changed.to_token_stream().to_string();
        let is = self.add(span, |text| format!("`{text}` becomes `{name}`"))?;
        let same = literal.clone();
        *expression = parse_quote!((if #is { #changed } else { #same }));
        Some(())
    }

    fn negation(&mut self, expression: &mut Expr, span: Span) -> Option<()> {
        let Expr::Unary(unary) = expression else { return None };
        let UnOp::Not(_) = unary.op else { return None };
        let is = self.add(span, |text| format!("`{text}` loses its `!`"))?;
        let (inner, same) = (&unary.expr, unary.clone());
        *expression = parse_quote!((if #is { #inner } else { #same }));
        Some(())
    }

    fn call(&mut self, expression: &mut Expr, span: Span) -> Option<()> {
        let Expr::MethodCall(call) = expression else { return None };
        let name = call.method.to_string();
        let swapped = match name.as_str() {
            "min" => "max",
            "max" => "min",
            _ => return self.predicate(call, span),
        };
        let is = self.add(span, |text| format!("`{text}`: `{name}` becomes `{swapped}`"))?;
        let mut changed = call.clone();
        changed.method = syn::Ident::new(swapped, call.method.span());
        let same = call.clone();
        *expression = parse_quote!((if #is { #changed } else { #same }));
        Some(())
    }

    /// What asks the opposite.
    fn predicate(&mut self, call: &mut syn::ExprMethodCall, span: Span) -> Option<()> {
        const ASKING: [&str; 9] =
            ["filter", "any", "all", "is_some_and", "is_none_or", "take_if", "find", "position", "retain"];
        if !ASKING.contains(&call.method.to_string().as_str()) {
            return None;
        }
        let Some(Expr::Closure(closure)) = call.args.first_mut() else { return None };
        let name = call.method.to_string();
        let is = self.add(span, |text| format!("`{text}`: `{name}` asks the opposite"))?;
        let body = &closure.body;
        closure.body = parse_quote!({ ::mutant::flip(#is, { #body }) });
        Some(())
    }

    fn condition(&mut self, condition: &mut Expr, span: Span) {
        if let Some(is) = self.add(span, |text| format!("`if {text}` is never so")) {
            let same = condition.clone();
            *condition =
                if has_let(&same) { parse_quote!(#same && !#is) } else { parse_quote!((#same) && !#is) };
        }
        if !has_let(condition)
            && let Some(is) = self.add(span, |text| format!("`if {text}` is always so"))
        {
            let same = condition.clone();
            *condition = parse_quote!((#same) || #is);
        }
    }
}

impl VisitMut for Mutator {
    fn visit_item_mut(&mut self, item: &mut Item) {
        match item {
            Item::Mod(module) if module.ident == "tests" => {}
            Item::Const(_) | Item::Static(_) => {}
            other => visit_mut::visit_item_mut(self, other),
        }
    }

    fn visit_item_fn_mut(&mut self, item: &mut syn::ItemFn) {
        item.sig.constness = None;
        self.function(item.sig.ident.to_string(), &item.sig.output, &mut item.block);
    }

    fn visit_impl_item_fn_mut(&mut self, item: &mut syn::ImplItemFn) {
        item.sig.constness = None;
        self.function(item.sig.ident.to_string(), &item.sig.output, &mut item.block);
    }

    fn visit_impl_item_const_mut(&mut self, _: &mut syn::ImplItemConst) {}

    fn visit_item_impl_mut(&mut self, item: &mut syn::ItemImpl) {
        // How things are printed is not what is looked at here.
        let of = item.trait_.as_ref().and_then(|(_, path, _)| Some(path.segments.last()?.ident.to_string()));
        let was = self.is_target;
        self.is_target &= !matches!(of.as_deref(), Some("Display" | "Debug"));
        visit_mut::visit_item_impl_mut(self, item);
        self.is_target = was;
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        self.block(block, false);
    }

    fn visit_pat_mut(&mut self, _: &mut syn::Pat) {}
    fn visit_type_mut(&mut self, _: &mut Type) {}
    fn visit_attribute_mut(&mut self, _: &mut syn::Attribute) {}

    fn visit_arm_mut(&mut self, arm: &mut syn::Arm) {
        visit_mut::visit_arm_mut(self, arm);
        let pattern = arm.pat.span();
        if let Some((_, guard)) = &mut arm.guard {
            if let Some(is) = self.add(pattern, |text| format!("the arm `{text} if …` is lost")) {
                let same = guard.clone();
                **guard = parse_quote!((#same) && !#is);
            }
            if let Some(is) = self.add(pattern, |text| format!("the arm `{text} if …` asks nothing")) {
                let same = guard.clone();
                **guard = parse_quote!((#same) || #is);
            }
        }
    }

    fn visit_expr_repeat_mut(&mut self, repeat: &mut syn::ExprRepeat) {
        self.visit_expr_mut(&mut repeat.expr);
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        // What is put in has no place in the source.
        let span = match expression {
            Expr::If(branch) => branch.cond.span(),
            _ => expression.span(),
        };
        visit_mut::visit_expr_mut(self, expression);
        match expression {
            Expr::Binary(_) => self.binary(expression, span),
            Expr::Lit(_) => self.literal(expression),
            Expr::Unary(_) => self.negation(expression, span),
            Expr::MethodCall(_) => self.call(expression, span),
            Expr::If(branch) => {
                self.condition(&mut branch.cond, span);
                None
            }
            _ => None,
        };
    }
}

fn last_of(kind: &Type) -> Option<String> {
    let Type::Path(path) = kind else { return None };
    Some(path.path.segments.last()?.ident.to_string())
}

/// Whether a chain of conditions has a `let` in it.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

fn is_droppable(expression: &Expr) -> bool {
    match expression {
        Expr::MethodCall(_) | Expr::Call(_) | Expr::Assign(_) => true,
        Expr::Binary(binary) => matches!(
            binary.op,
            BinOp::AddAssign(_)
                | BinOp::SubAssign(_)
                | BinOp::BitAndAssign(_)
                | BinOp::BitOrAssign(_)
                | BinOp::BitXorAssign(_)
        ),
        _ => false,
    }
}

fn short(text: &str) -> String {
    const LIMIT: usize = 70;
    if text.chars().count() <= LIMIT {
        return text.into();
    }
    let start: String = text.chars().take(LIMIT - 1).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mutation_is_behind_a_switch_of_its_own() {
        let source = "fn f(a: u8, out: &mut Vec<u8>) { if a < 3 { out.push(a); } }";
        let mut mutator = Mutator::new(BTreeSet::new());
        let text = mutator.mutate("f.rs", source, true).unwrap();
        let what: Vec<_> = mutator.all.iter().map(|mutation| mutation.what.as_str()).collect();
        let wanted = [
            "`3` becomes `4`",
            "`a < 3`: `<` becomes `<=`",
            "`out.push(a);` is lost",
            "`if a < 3` is never so",
            "`if a < 3` is always so",
            "the function does nothing",
        ];
        assert_eq!(what, wanted);
        assert_eq!(text.matches("mutant :: is").count(), wanted.len() + 1, "one stands in both branches");
        assert!(syn::parse_file(&text).is_ok());
    }

    #[test]
    fn tests_and_constants_are_left_alone() {
        let source = "const A: u8 = 1 + 2; mod tests { fn f() -> u8 { 1 + 2 } }";
        let mut mutator = Mutator::new(BTreeSet::new());
        mutator.mutate("f.rs", source, true).unwrap();
        assert!(mutator.all.is_empty());
    }
}
