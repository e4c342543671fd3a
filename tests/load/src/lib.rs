//! An L2TP/IPsec initiator, without IO.
